"""The cost of a gate's state that outlives its worker: the pause of a move, and snapshots beside the work."""

import math
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from akkordeon_dask import Gate, Network, Running, Sentinel, data, deploy, nn, optim
from akkordeon_dask.actors import GateActor
from akkordeon_dask.runtime import EmbeddedCluster
from tests.bench._rows import Row
from tests.support.workers import workers_now

_SAMPLES, _PASSES = 256, 4


def _wide(mebibytes: int, worker: str) -> Network:
    """Three gates, the middle one with so many MiB of parameters."""
    width = int(np.sqrt(mebibytes * 2**20 / 4))
    sgd = optim.SGD(1e-4)
    return (
        Gate(nn.Linear(16, width), sgd, worker)
        | Gate(nn.Linear(width, width), sgd, worker)
        | Gate(nn.Linear(width, 10), sgd, worker)
    )


def pauses(mebibytes: int, moves: int) -> Iterator[tuple[float, float]]:
    """Milliseconds without the gate in each move between two processes, and samples a second before over after."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(_SAMPLES, 16)).astype(np.float32), rng.integers(0, 10, _SAMPLES)
    cluster = EmbeddedCluster(2)
    try:
        home, away = sorted(workers_now(cluster.client))
        passed = threading.Semaphore(0)
        with deploy(_wide(mebibytes, home), cluster.client) as running:
            running.subscribe(lambda report: passed.release())
            running.attach(Sentinel.train(data.arrays(x, y), batch_size=16, concurrency=3))
            _rate(passed)
            for _ in range(moves):
                running.move("g1", away)
                running.move("g1", home)
                before = _rate(passed)
                seconds = running.move("g1", away), running.move("g1", home)
                yield 1000 * max(seconds), before / _rate(passed)
    finally:
        cluster.close()


def _rate(passed: threading.Semaphore) -> float:
    """Samples a second, from the next pass on."""
    while passed.acquire(blocking=False):
        pass
    passed.acquire()
    begun = time.perf_counter()
    for _ in range(_PASSES):
        passed.acquire()
    return _PASSES * _SAMPLES / (time.perf_counter() - begun)


@dataclass(frozen=True)
class Phase:
    """Some passes of training."""

    seconds: float
    cpu: float
    """Seconds of all threads of the process."""


def snapshot_phases(row: Row, rounds: int, every: float) -> Iterator[Phase]:
    """Train the network of a row in one process: phases of half the time and equally many samples.

    In every second one a snapshot of each gate is begun at its start; the first and the last have none.
    """
    with tempfile.TemporaryDirectory() as folder, deploy(row.network, snapshots=folder) as running:
        running.attach(Sentinel.train(data.mnist("train"), batch_size=row.batch_size, concurrency=6))
        _keep(running, math.inf)
        running.wait(epochs=2)
        epochs = max(1, round(every / 2 / _phase(running, 4).seconds * 4))
        for kept in (False, *rounds * (True, False)):
            # The last one was begun two phases ago: it is due at once, and not again in this phase.
            _keep(running, 0.7 * every if kept else math.inf)
            yield _phase(running, epochs)


def _keep(running: Running, seconds: float) -> None:
    """The same gates, with and without: two networks would differ by more than what is measured."""
    for worker in running._embedded.cluster.workers.values():  # type: ignore[attr-defined]
        for actor in worker.state.actors.values():
            if isinstance(actor, GateActor):
                policy = actor._snapshots.policy
                assert policy is not None
                actor._snapshots.policy = replace(policy, seconds=seconds)


def _phase(running: Running, epochs: int) -> Phase:
    begun, cpu = time.perf_counter(), time.process_time()
    running.wait(epochs=epochs)
    return Phase(time.perf_counter() - begun, time.process_time() - cpu)
