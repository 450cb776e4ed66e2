"""Memory and other figures that stay flat while a network trains for long, and sentinels come and go."""

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import psutil

from akkordeon_dask import Gate, Network, Running, Sentinel, data, deploy, nn, optim
from akkordeon_dask.runtime import Attached
from tests.support.dashboard_clusters import PRELOAD, started_cluster
from tests.support.workers import workers_now

_GUESTS = 6


class Sample(NamedTuple):
    """A look at one process."""

    minutes: float
    """Since training began."""
    process: str
    mebibytes: float
    """Resident."""
    threads: int
    files: int
    """Open, sockets included."""
    passes: int
    """Of all sentinels, so far."""
    joined: int
    """Sentinels, so far."""


def soak(minutes: float, samples: int) -> Iterator[list[Sample]]:
    """Train on two workers with snapshots, while up to six more sentinels join and leave; looks now and then.

    Passes are heard and counted, not kept by this process: it is looked at as well.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        started_cluster(*PRELOAD) as (scheduler, client),
        deploy(_network(), client, name="soak", snapshots=folder, snapshot_every="10s") as running,
    ):
        running.attach(Sentinel.train(data.mnist("train"), batch_size=256, concurrency=5))
        running.attach(Sentinel.validate(data.mnist("test"), batch_size=1000, every="10s"))
        processes = {"scheduler": scheduler.program.process.pid, "client": psutil.Process().pid}
        for address, worker in workers_now(client).items():
            processes[str(worker["name"])] = client.run(_pid, workers=[address])[address]
        churn, begun = _Churn(running), time.monotonic()
        for number in range(samples + 1):
            while time.monotonic() < begun + 60 * minutes * number / samples:
                churn.step()
            elapsed = (time.monotonic() - begun) / 60
            counts = len(running.history), churn.joined
            yield [_look(psutil.Process(pid), elapsed, name, counts) for name, pid in processes.items()]


def _network() -> Network:
    return (
        Gate(nn.Scale(33.3, 78.6) >> nn.Linear(784, 50) >> nn.ReLU() >> nn.Dropout(0.1), optim.DCASGDa(0.01), "alice")
        | Gate(nn.Linear(50, 20) >> nn.ReLU(), optim.DCASGDa(0.01), workers="bob")
        | Gate(nn.Linear(20, 10), optim.DCASGDa(0.01), workers="bob")
    )


def _pid() -> int:
    return psutil.Process().pid


def _look(process: psutil.Process, elapsed: float, name: str, counts: tuple[int, int]) -> Sample:
    with process.oneshot():
        figures = process.memory_info().rss / 2**20, process.num_threads(), process.num_fds()
    return Sample(elapsed, name, *figures, *counts)


class _Churn:
    """Sentinels that join, finish a pass or not, and leave."""

    def __init__(self, running: Running) -> None:
        self._running, self._dice = running, random.Random(0)
        self._there: list[Attached] = []
        self.joined = 0

    def step(self) -> None:
        """One joins, or one leaves."""
        if self._there and (len(self._there) == _GUESTS or self._dice.random() < 0.5):
            self._running.detach(self._there.pop(self._dice.randrange(len(self._there))))
        else:
            self._there.append(self._running.attach(self._sentinel()))
            self.joined += 1
        time.sleep(self._dice.uniform(0.2, 2.0))

    def _sentinel(self) -> Sentinel:
        make: Callable[..., Sentinel] = self._dice.choice([Sentinel.train, Sentinel.train, Sentinel.validate])
        options: dict[str, Any] = {"every": "2s"} if make == Sentinel.validate else {}
        provider = data.mnist_sample("train", take=self._dice.randrange(200, 2000), seed=self.joined)
        worker = self._dice.choice(["alice", "bob"])
        concurrency = self._dice.randint(1, 4)
        return make(provider, batch_size=100, concurrency=concurrency, workers=worker, **options)
