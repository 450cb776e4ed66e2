"""A program that may open few files, and has many actors: it writes how many files each process has open."""

import json
import os
import resource
import sys

from akkordeon_dask import Gate, Network, Sentinel, data, deploy, nn, optim
from akkordeon_dask.runtime import EmbeddedCluster
from tests.support.small_networks import numbers

LIMIT = 224
"""Open files that each process may have."""
FEW, MANY = 20, 120
"""Gates."""
SENTINELS = 30


def gates(count):
    """A network of so many gates, front and back on a worker each."""
    layers = [nn.Linear(6, 6) >> nn.Tanh() for _ in range(count - 1)] + [nn.Linear(6, 3)]
    placed = [Gate(layer, optim.SGD(0.01), workers=str(2 * place // count)) for place, layer in enumerate(layers)]
    return Network(placed)


def sentinel():
    """It trains for one epoch of four batches."""
    return Sentinel.train(data.arrays(*numbers()), batch_size=16, epochs=1)


def open_files(client):
    """Of this process, which has the scheduler, and of the workers."""
    return [_count(), *client.run(_count).values()]


def _count():
    return len(os.listdir("/proc/self/fd"))


def trained(client, count):
    """Train a network of so many gates; returns the open files, and the samples of each pass."""
    with deploy(gates(count), client, name=f"{count} gates") as running:
        running.attach(sentinel())
        history = running.wait()
        return open_files(client), [report.samples for report in history]


def come_and_go(client):
    """The open files before and after many sentinels, ten at a time."""
    with deploy(gates(2), client) as running:
        found = []
        for _ in range(SENTINELS // 10):
            attached = [running.attach(sentinel()) for _ in range(10)]
            running.wait()
            for one in attached:
                running.detach(one)
            found.append(open_files(client))
        return found[0], found[-1]


def main():
    """Write all as JSON."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    embedded = EmbeddedCluster(2)
    try:
        found = {count: trained(embedded.client, count) for count in (FEW, MANY)}
        json.dump({"gates": found, "sentinels": come_and_go(embedded.client)}, sys.stdout)
    finally:
        embedded.close()


if __name__ == "__main__":
    sys.exit(main())
