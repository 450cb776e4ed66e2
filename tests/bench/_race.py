"""This program and the loop, in turn."""

import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from akkordeon_dask import Running, Sentinel, data, deploy
from akkordeon_dask.runtime import EmbeddedCluster
from tests.bench._cost import flops, in_flight
from tests.bench._rows import Row

SAMPLES = 60_000

SETTLE = 0.3
"""Seconds after the loop's round: its BLAS threads spin for 0.1 s after their last product, and would take that from
the actors, which have nothing that spins."""

_loop: Any = None


@dataclass(frozen=True)
class Result:
    """Medians over the rounds; samples a second."""

    row: Row
    ours: float
    loop: float
    ratio: float
    """The median of the rounds' ratios."""
    ratios: tuple[float, ...]

    @property
    def gflops(self) -> float:
        """1e9 floating point operations a second that the layers' definition asks for."""
        return self.ours * flops(self.row.network) / 1e9

    def as_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "row": self.row.name,
            "samples_per_s": round(self.ours),
            "loop_samples_per_s": round(self.loop),
            "ratio": round(self.ratio, 3),
            "ratios": [round(ratio, 3) for ratio in self.ratios],
            "goal": self.row.goal,
            "gflop_per_s": round(self.gflops, 1),
            "mebibytes_a_batch_in_flight": round(in_flight(self.row.network, self.row.batch_size) / 2**20, 2),
        }


def _begin(model: Any, batch_size: int) -> None:
    """In the loop's process."""
    global _loop  # noqa: PLW0603 - the loop's process has one loop
    x, y = next(data.mnist("train", shuffle=False).open().batches(1, SAMPLES))
    assert y is not None
    _loop = model.loop(x, y, batch_size)
    _loop.run(1)


def _run(epochs: int) -> float:
    assert _loop is not None
    return _loop.run(epochs)


def race(row: Row, rounds: int) -> Result:
    """Run both in turn. The loop has a process of its own, so that neither side's threads disturb the other."""
    with ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(1, get_context("spawn")))
        pool.submit(_begin, row.model, row.batch_size).result(timeout=300)
        running = _deployed(row, stack)
        running.attach(Sentinel.train(data.mnist("train"), batch_size=row.batch_size, concurrency=row.concurrency))
        running.wait(epochs=2)
        ours, loop = [], []
        for _ in range(rounds):
            time.sleep(SETTLE)
            begun = time.perf_counter()
            running.wait(epochs=row.epochs)
            ours.append((time.perf_counter() - begun) / row.epochs)
            loop.append(pool.submit(_run, row.epochs).result(timeout=600) / row.epochs)
    ratios = tuple(theirs / mine for mine, theirs in zip(ours, loop, strict=True))
    medians = (SAMPLES / statistics.median(times) for times in (ours, loop))
    return Result(row, *medians, statistics.median(ratios), ratios)


def _deployed(row: Row, stack: ExitStack) -> Running:
    if not row.workers:
        running = deploy(row.network)
    else:
        cluster = EmbeddedCluster(row.workers)
        stack.callback(cluster.close)
        running = deploy(row.network, cluster.client)
    stack.enter_context(running)
    return running
