"""Many worker processes, with a gate each that sleeps where others compute."""

import os
import queue
import time
from contextlib import closing
from dataclasses import dataclass
from functools import reduce
from unittest import mock

import numpy as np
from distributed import Client

from akkordeon_dask import Gate, Network, Sentinel, data, deploy, nn, optim
from akkordeon_dask.nn import Context, Key
from akkordeon_dask.nn._layer import Gradients
from akkordeon_dask.runtime import EmbeddedCluster
from akkordeon_dask.tree import Array, Tree
from tests.support.workers import workers_now

SLEEP_S = 0.01

_FEATURES, _BATCH_SIZE, _CONCURRENCY = 10, 16, 40


@dataclass(frozen=True, repr=False)
class Sleep(nn.Layer):
    """Takes 10 ms and no core in each pass."""

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        """Sleep."""
        time.sleep(SLEEP_S)
        return x + 0, ()

    def backward(self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False) -> Gradients:
        """Sleep."""
        time.sleep(SLEEP_S)
        return dy + 0, {}


@dataclass(frozen=True)
class Scaled:
    """A network of so many gates."""

    workers: int
    share: float
    """Batches a second over the ideal, which is one each time a gate has slept twice."""
    hop_us: float
    """Microseconds that a batch alone in the network spends on a message, from the end of one gate's sleep to the
    begin of the next one's."""


def scale(workers: int, seconds: float) -> Scaled:
    """Train with a gate on each of so many worker processes."""
    with mock.patch.dict(os.environ, DASK_AKKORDEON__THREADS="1"), closing(EmbeddedCluster(workers)) as cluster:
        gates = [
            Gate(Sleep() >> nn.Linear(_FEATURES, _FEATURES), optim.SGD(1e-3), address)
            for address in sorted(workers_now(cluster.client))
        ]
        network = reduce(lambda a, b: a | b, gates[1:], Network(gates[:1]))
        full = _seconds_a_batch(network, cluster.client, _CONCURRENCY, 20, round(seconds / (40 * SLEEP_S)))
        alone = _seconds_a_batch(network, cluster.client, 1, 2, round(seconds / (4 * workers * SLEEP_S)))
    messages = 2 * workers + 2  # to the first gate and between gates, both ways, and the last one's to and fro
    return Scaled(workers, 2 * SLEEP_S / full, 1e6 * (alone - 2 * workers * _slept()) / messages)


def _seconds_a_batch(network: Network, client: Client, concurrency: int, batches: int, passes: int) -> float:
    """In the steady state: from the end of the third pass of so many batches to that of a later one."""
    x, y = np.zeros((batches * _BATCH_SIZE, _FEATURES), np.float32), np.zeros(batches * _BATCH_SIZE, np.int64)
    ends: queue.SimpleQueue[float] = queue.SimpleQueue()
    passes = max(2, passes)
    with deploy(network, client) as running:
        running.subscribe(lambda report: ends.put(time.perf_counter()))
        running.attach(Sentinel.train(data.arrays(x, y), batch_size=_BATCH_SIZE, concurrency=concurrency))
        times = [ends.get(timeout=60) for _ in range(3 + passes)]
    return (times[-1] - times[2]) / (passes * batches)


def _slept() -> float:
    """Seconds that a sleep really takes."""
    begun = time.perf_counter()
    for _ in range(100):
        time.sleep(SLEEP_S)
    return (time.perf_counter() - begun) / 100
