"""Resident memory over many epochs."""

from pathlib import Path

from akkordeon_dask import Sentinel, data, deploy
from akkordeon_dask.memory import pool
from tests.bench._rows import SMALL_DC


def memory(epochs: int, every: int) -> list[tuple[int, float, int]]:
    """After every so many epochs on the sample: epoch, resident MiB, blocks of the pool under living arrays."""
    figures = []
    with deploy(SMALL_DC.network()) as running:
        running.attach(Sentinel.train(data.mnist_sample("train"), batch_size=64, concurrency=5))
        running.attach(Sentinel.validate(data.mnist_sample("test"), batch_size=500, every="1s"))
        for epoch in range(every, epochs + 1, every):
            running.wait(epochs=every)
            figures.append((epoch, _resident(), pool.lent))
    return figures


def _resident() -> float:
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
