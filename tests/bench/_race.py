"""This program and the loop, in turn."""

import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from akkordeon_dask import Running, Sentinel, data, deploy
from akkordeon_dask.runtime import Embedded
from tests.bench._loop import Loop
from tests.bench._rows import Row

__all__ = ["Result", "race"]

SAMPLES = 60_000

_loop: Loop | None = None


@dataclass(frozen=True)
class Result:
    """Medians over the rounds; samples a second."""

    row: Row
    ours: float
    loop: float
    ratio: float
    """The median of the rounds' ratios."""
    ratios: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "row": self.row.name,
            "samples_per_s": round(self.ours),
            "loop_samples_per_s": round(self.loop),
            "ratio": round(self.ratio, 3),
            "ratios": [round(ratio, 3) for ratio in self.ratios],
            "goal": self.row.goal,
        }


def _begin(sizes: tuple[int, ...], batch_size: int, compensated: bool) -> None:
    """In the loop's process."""
    global _loop  # noqa: PLW0603 - the loop's process has one loop
    x, y = next(data.mnist("train", shuffle=False).open().batches(1, SAMPLES))
    assert y is not None
    _loop = Loop(x, y, sizes, batch_size, compensated=compensated)
    _loop.run(1)


def _run(epochs: int) -> float:
    assert _loop is not None
    return _loop.run(epochs)


def race(row: Row, rounds: int) -> Result:
    """Run both in turn. The loop has a process of its own, so that neither side's threads disturb the other."""
    with ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(1, get_context("spawn")))
        pool.submit(_begin, row.sizes, row.batch_size, row.compensated).result(timeout=300)
        running = _deployed(row, stack)
        running.attach(Sentinel.train(data.mnist("train"), batch_size=row.batch_size, concurrency=row.concurrency))
        running.wait(epochs=2)
        ours, loop, done = [], [], 2
        for _ in range(rounds):
            done += row.epochs
            begun = time.perf_counter()
            running.wait(epochs=done)
            ours.append((time.perf_counter() - begun) / row.epochs)
            loop.append(pool.submit(_run, row.epochs).result(timeout=600) / row.epochs)
    ratios = tuple(theirs / mine for mine, theirs in zip(ours, loop, strict=True))
    medians = (SAMPLES / statistics.median(times) for times in (ours, loop))
    return Result(row, *medians, statistics.median(ratios), ratios)


def _deployed(row: Row, stack: ExitStack) -> Running:
    if not row.workers:
        running = deploy(row.network)
    else:
        cluster = Embedded(row.workers)
        stack.callback(cluster.close)
        running = deploy(row.network, cluster.client)
    stack.enter_context(running)
    return running
