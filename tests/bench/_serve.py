"""A side of a race, in a process of its own."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import akkordeon_dask
from akkordeon_dask import data
from akkordeon_dask.data import Provider
from tests.bench._actors import Actors
from tests.bench._hop import hop
from tests.bench._ray_pipeline import RayPipeline
from tests.bench._rows import ROWS, row_named
from tests.bench._torch_loop import TorchLoop

MESSAGES = "messages"
ROW_NAMES = frozenset(row.name for row in ROWS)
_SIZES, _PAIRS = (50, 50_000, 200_000, 800_000), 300


def serve(kind: str, row: str, sample: bool) -> None:
    """Answer each line of standard input with a line of JSON: what a run of so many seconds measured.

    The first line of the answer comes when the side is ready. Whatever else is printed goes to standard error.
    """
    code = Path(akkordeon_dask.__file__).resolve().parents[1]
    if code != Path.cwd():
        raise RuntimeError(f"the code of {code} is imported in {Path.cwd()}, which shall be measured")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    side = Messages() if row == MESSAGES else _side(kind, row, sample)
    print("{}", file=answers, flush=True)
    try:
        for line in sys.stdin:
            print(json.dumps(side.run(float(line))), file=answers, flush=True)
    finally:
        if hasattr(side, "close"):
            side.close()


class Messages:
    """What a message between two workers costs."""

    def run(self, seconds: float) -> dict[str, Any]:
        """Microseconds of each size in bytes: alone, and of eight in flight."""
        return {str(size): both for size, both in hop(_SIZES, _PAIRS).items()}


class _Rate:
    """A peer that tells a rate and nothing else."""

    def __init__(self, peer: Any) -> None:
        self._peer = peer
        peer.run(0.2)

    def run(self, seconds: float) -> dict[str, Any]:
        return {"samples_per_s": self._peer.run(seconds)}

    def close(self) -> None:
        if hasattr(self._peer, "close"):
            self._peer.close()


def _module_side(kind: str, name: str) -> Any:
    from tests.bench._module_loop import ModuleLoop, Pipelining
    from tests.bench._module_rows import MODULE_ROWS

    row: Any = MODULE_ROWS[name]
    if kind == "actors":
        return Actors(row, row.provider(), row.samples)
    if kind == "ray":
        return _Rate(RayPipeline(row, *row.samples_and_labels()))
    return _Rate(ModuleLoop(row) if kind == "loop" else Pipelining(row, kind))


def _side(kind: str, name: str, sample: bool) -> Any:
    if name not in ROW_NAMES:
        return _module_side(kind, name)
    row = row_named(name)
    if sample:
        row = replace(row, samples=2000)
    if kind == "actors":
        return Actors(row, _provider(sample, take=row.samples), row.samples, row.sentinel_at)
    x, y = _arrays(sample)
    if kind == "loop":
        return _Rate(row.model.loop(x, y, row.batch_size))
    return _Rate({"torch": TorchLoop, "ray": RayPipeline}[kind](row, x, y))


def _arrays(sample: bool) -> tuple[np.ndarray, np.ndarray]:
    x, y = next(_provider(sample, shuffle=False).open().batches(1, 10_000 if sample else 60_000))
    assert y is not None
    return x, y


def _provider(sample: bool, **options: Any) -> Provider:
    return (data.mnist_sample if sample else data.mnist)("train", **options)
