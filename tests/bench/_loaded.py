"""Training beside another program that wants all cores."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from dask.system import CPU_COUNT

from tests.bench._race import BEFORE, LOOP, OURS, SETTLE, quantiles
from tests.bench._rows import Row
from tests.bench._side import HERE, Side


@dataclass(frozen=True)
class Loaded:
    """A side, alone and beside the other program in turn."""

    side: str
    alone: float
    """Samples a second, the median."""
    shares: list[float]
    """Quantiles of the rounds' speed beside the other program, as shares of the one alone."""
    greatest: int | None
    """Updates by which a gradient was late at most, beside the other program; None for a side without gates."""


def loaded(row: Row, rounds: int, seconds: float, before: Path | None) -> Iterator[Loaded]:
    """The actors, those of the checkout before, and the loop, one after the other."""
    checkouts = {OURS: HERE, LOOP: HERE} if before is None else {OURS: HERE, BEFORE: before, LOOP: HERE}
    for name, checkout in checkouts.items():
        with closing(Side(LOOP if name == LOOP else "actors", row.name, checkout)) as side, _busy() as busy:
            runs = [_round(side, busy, seconds) for _ in range(rounds)]
        rates = np.array([[run["samples_per_s"] for run in both] for both in runs])
        late = [int(delay) for _, beside in runs for gate in beside.get("delays", []) for delay, n in gate.items() if n]
        shares = quantiles(rates[:, 1] / rates[:, 0])
        yield Loaded(name, float(np.median(rates[:, 0])), shares, max(late) if late else None)


def _round(side: Side, busy: list["subprocess.Popen[bytes]"], seconds: float) -> tuple[dict[str, Any], dict[str, Any]]:
    time.sleep(SETTLE)
    alone = side.run(seconds)
    _signal(busy, signal.SIGCONT)
    try:
        time.sleep(SETTLE)
        return alone, side.run(seconds)
    finally:
        _signal(busy, signal.SIGSTOP)


@contextmanager
def _busy() -> Iterator[list["subprocess.Popen[bytes]"]]:
    """A process for each core that never rests; for now they are stopped."""
    with ExitStack() as stack:
        processes = []
        for _ in range(CPU_COUNT):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(process.kill)
            processes.append(process)
        _signal(processes, signal.SIGSTOP)
        yield processes


def _signal(processes: list["subprocess.Popen[bytes]"], what: signal.Signals) -> None:
    for process in processes:
        process.send_signal(what)
