"""A user who trains on other machines: `python -m tests.support.multi_machine_user ADDRESS`. Reports in JSON lines."""

import dataclasses
import json
from pathlib import Path

import click
import dask.config
import numpy as np
from distributed import Client, Security

from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE

SAMPLES, BATCH, WIDTH = 10_000, 100, 50
NAMES = ("orchard", "pippin", "quince", "gardener")
"""Of the network, its two gates and its sentinel: words that nothing else says."""


def network(front: str = "alice", back: str = "bob"):
    """784-50-20-10: 50 activations a sample go from one worker to the other, and as many gradients back."""
    optimizer = optim.DCASGDa(0.05)
    return Gate(
        nn.Scale(33.3, 78.6) >> nn.Linear(784, WIDTH) >> nn.ReLU(), optimizer, workers=front, name=NAMES[1]
    ) | Gate(nn.Linear(WIDTH, 20) >> nn.ReLU() >> nn.Linear(20, 10), optimizer, workers=back, name=NAMES[2])


def training(epochs: int | None, concurrency: int = 4):
    """The sentinel that trains, beside the first gate."""
    options = {"batch_size": BATCH, "concurrency": concurrency, "epochs": epochs, "name": NAMES[3]}
    return Sentinel.train(data.mnist_sample("train"), **options)


def rating():
    """The sentinel that rates."""
    return Sentinel.test(data.mnist_sample("test"), batch_size=500)


def images():
    """The samples to predict."""
    return np.random.default_rng(1).integers(0, 256, (16, 784), np.uint8)


def security(folder: Path) -> Security:
    """The identity of a client whose certificate is in this folder."""
    ca, cert, key = (str(folder / name) for name in ("ca.pem", "cert.pem", "key.pem"))
    return Security(require_encryption=True, tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key)


def say(**what: object) -> None:
    click.echo(json.dumps(what))


@click.command()
@click.argument("address")
@click.option("--tls", help="The folder of the user's certificate.")
@click.option("--epochs", type=int)
@click.option("--until", help="Train until this file is there.")
@click.option("--concurrency", default=4)
@click.option("--patience", default="2s", help="The shortest deadline of a batch.")
@click.option("--predictions", help="The file that gets what the network predicts for some images.")
def main(address, tls, epochs, until, concurrency, patience, predictions) -> None:
    """Train, rate, predict."""
    with Client(address, security=security(Path(tls)) if tls else None, timeout=PATIENCE) as client:
        client.wait_for_workers(2, timeout=PATIENCE)
        client.run(dask.config.set, {"akkordeon.batch.min-deadline": patience})
        with deploy(network(), client, name=NAMES[0], seed=7) as running:
            say(placement=dict(running.placement), workers=client.run(lambda dask_worker: str(dask_worker.name)))
            running.subscribe(lambda report: say(**report.as_dict()), mine=True)
            running.attach(training(epochs, concurrency))
            if until:
                wait_until(Path(until).exists)
                running.pause()
            else:
                running.wait(timeout=PATIENCE)
            running.evaluate(rating())
            if predictions:
                Path(predictions).write_bytes(running.predict(images()).tobytes())
            statistics = running.statistics()
            for gate in running.placement:
                links = [dataclasses.asdict(link) for link in statistics[gate].links]
                say(gate=gate, version=statistics[gate].version, links=links)


if __name__ == "__main__":
    main()
