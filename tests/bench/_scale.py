"""Many worker processes, with a gate each that sleeps where others compute."""

import os
import queue
import threading
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

_FEATURES, _BATCH_SIZE, _BATCHES, _CONCURRENCY = 10, 16, 20, 40


class _Clock:
    """The sleeps of a worker process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: list[float] = []
        self._done, self._count = 0.0, 0

    def sleep(self) -> None:
        begun = time.perf_counter()
        with self._lock:
            self._begun.append(begun)
        time.sleep(SLEEP_S)
        with self._lock:
            self._begun.remove(begun)
            self._done, self._count = self._done + time.perf_counter() - begun, self._count + 1

    def read(self) -> tuple[float, int]:
        """Seconds, those of a sleep that goes on included, and sleeps that have ended."""
        with self._lock:
            now = time.perf_counter()
            return self._done + sum(now - begun for begun in self._begun), self._count


_clock = _Clock()


def _read_clock() -> tuple[float, int]:
    return _clock.read()


@dataclass(frozen=True, repr=False)
class Sleep(nn.Layer):
    """Takes 10 ms and no core in each pass."""

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        """Sleep."""
        _clock.sleep()
        return x + 0, ()

    def backward(self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False) -> Gradients:
        """Sleep."""
        _clock.sleep()
        return dy + 0, {}


@dataclass(frozen=True)
class Scaled:
    """A network of so many gates."""

    workers: int
    share: float
    """Batches a second over the ideal, which is one each time a gate has slept twice."""
    hop_us: float
    """Microseconds from the end of one gate's sleep to the begin of the next one's, for a batch alone in the network;
    with the sentinel, at whose end there are two messages between two sleeps."""


def scale(workers: int, seconds: float) -> Scaled:
    """Train with a gate on each of so many worker processes."""
    with mock.patch.dict(os.environ, DASK_AKKORDEON__THREADS="1"), closing(EmbeddedCluster(workers)) as cluster:
        gates = [
            Gate(Sleep() >> nn.Linear(_FEATURES, _FEATURES), optim.SGD(1e-6), address)
            for address in sorted(workers_now(cluster.client))
        ]
        network = reduce(lambda a, b: a | b, gates[1:], Network(gates[:1]))
        full = _seconds_a_batch(network, cluster.client, seconds)
        return Scaled(workers, 2 * SLEEP_S / full, 1e6 * _seconds_a_hop(network, cluster.client, seconds))


def _seconds_a_batch(network: Network, client: Client, seconds: float) -> float:
    """In the steady state: from the end of the third pass to that of a later one."""
    ends: queue.SimpleQueue[float] = queue.SimpleQueue()
    passes = max(2, round(seconds / (2 * SLEEP_S * _BATCHES)))
    with deploy(network, client) as running:
        running.subscribe(lambda report: ends.put(time.perf_counter()))
        running.attach(_sentinel(_CONCURRENCY))
        times = [ends.get(timeout=60) for _ in range(3 + passes)]
    return (times[-1] - times[2]) / (passes * _BATCHES)


def _seconds_a_hop(network: Network, client: Client, seconds: float) -> float:
    """With one batch in the network: the time in which no gate sleeps, over the messages."""
    gates = len(network)
    messages = (2 * gates + 2) / (2 * gates)  # for each sleep: the last gate has a message to the sentinel and one back
    with deploy(network, client) as running:
        running.attach(_sentinel(1))
        begun, slept, sleeps = _slept(client)
        time.sleep(seconds)
        ended, slept_then, sleeps_then = _slept(client)
    return (ended - begun - (slept_then - slept)) / ((sleeps_then - sleeps) * messages)


def _sentinel(concurrency: int) -> Sentinel:
    x, y = np.zeros((_BATCHES * _BATCH_SIZE, _FEATURES), np.float32), np.zeros(_BATCHES * _BATCH_SIZE, np.int64)
    return Sentinel.train(data.arrays(x, y), batch_size=_BATCH_SIZE, concurrency=concurrency)


def _slept(client: Client) -> tuple[float, float, int]:
    """Now, and the seconds and sleeps of all gates so far."""
    now, clocks = time.perf_counter(), client.run(_read_clock).values()
    return now, sum(seconds for seconds, _ in clocks), sum(sleeps for _, sleeps in clocks)
