"""The sides of a row, in turn."""

import importlib.util
import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench._cost import flops, in_flight
from tests.bench._machine import load
from tests.bench._rows import Dense, Row
from tests.bench._side import HERE, Side

OURS, BEFORE, LOOP = "actors", "before", "loop"

SETTLE = 0.3
"""Seconds before each run: BLAS threads of a side spin for 0.1 s after their last product, and would take that from
the actors, which have nothing that spins."""

_QUANTILES = (0.05, 0.5, 0.95)


@dataclass
class Result:
    """What the sides of a row did; lists have an entry for each round."""

    row: Row
    runs: dict[str, list[dict[str, Any]]]
    load: tuple[float, float] = (math.nan, math.nan)
    """The load average over a minute, before and after; the benchmark itself adds up to the cores."""

    def rates(self, side: str) -> np.ndarray:
        """Samples a second."""
        return np.array([run["samples_per_s"] for run in self.runs[side]])

    def ratios(self, side: str, over: str) -> np.ndarray:
        """Of the rates, round by round."""
        return self.rates(side) / self.rates(over)

    def delays(self, side: str) -> list[float]:
        """Mean updates by which the gradients of each gate were late; empty for a side without gates."""
        return [sum(delay * n for delay, n in gate.items()) / gate.total() for gate in self._counts(side)]

    def greatest(self, side: str) -> list[int]:
        """Updates by which a gradient of each gate was late at most."""
        return [max(gate) for gate in self._counts(side)]

    def _counts(self, side: str) -> list[Counter[int]]:
        """The gradients of each gate by their delay, over all rounds."""
        rounds = [run.get("delays", []) for run in self.runs[side]]
        return [sum((_counted(counts) for counts in gate), Counter()) for gate in zip(*rounds, strict=True)]

    def switches(self, side: str) -> float | None:
        """Context switches a batch, the median; None for a side that does not count them."""
        counts = [run["switches_a_batch"] for run in self.runs[side] if "switches_a_batch" in run]
        return float(np.median(counts)) if counts else None

    @property
    def gflops(self) -> float:
        """1e9 floating point operations a second that the layers' definition asks for."""
        return float(np.median(self.rates(OURS))) * flops(self.row.network) / 1e9

    def as_dict(self) -> dict[str, Any]:
        """Plain types. Triples are the quantiles of 5, 50 and 95 % of the rounds."""
        return {
            "row": self.row.name,
            "goal": self.row.goal,
            "load": self.load,
            "gflop_per_s": round(self.gflops, 1),
            "mebibytes_a_batch_in_flight": round(in_flight(self.row.network, self.row.batch_size) / 2**20, 2),
            "sides": {side: self._side(side) for side in self.runs},
        }

    def _side(self, side: str) -> dict[str, Any]:
        return {
            "samples_per_s": [round(rate) for rate in quantiles(self.rates(side))],
            "over": {
                other: [round(one, 3) for one in quantiles(self.ratios(side, other))]
                for other in self.runs
                if other != side
            },
            "mean_delays": [round(delay, 3) for delay in self.delays(side)],
            "greatest_delays": self.greatest(side),
            "switches_a_batch": self.switches(side),
            "rounds": [round(rate) for rate in self.rates(side)],
        }


def quantiles(values: Iterable[float]) -> list[float]:
    """Of 5, 50 and 95 %."""
    return [float(one) for one in np.quantile(list(values), _QUANTILES)]


def peers(row: Row) -> list[str]:
    """Those that are installed, and have the row's optimizer."""
    plain = not (isinstance(row.model, Dense) and row.model.compensated)
    return [name for name in ("torch", "ray") if plain and importlib.util.find_spec(name) is not None]


def race(
    row: Row, rounds: int, seconds: float, before: Path | None = None, rivals: Iterable[str] = (), *, sample: bool
) -> Result:
    """Run this code, the code before, the loop and the rivals in turn.

    Parameters
    ----------
    seconds
        of a side's run in a round, about.
    before
        another checkout of this project.
    rivals
        names of `peers`.
    sample
        train on the sample in the package in place of the full MNIST.
    """
    begun = load()[0]
    with ExitStack() as stack:

        def side(kind: str, checkout: Path = HERE) -> Side:
            return stack.enter_context(closing(Side(kind, row.name, checkout, sample=sample)))

        sides = {OURS: side("actors")}
        if before is not None:
            sides[BEFORE] = side("actors", before)
        sides[LOOP] = side("loop")
        sides |= {name: side(name) for name in rivals}
        return Result(row, alternate(sides, rounds, seconds), (begun, load()[0]))


def alternate(sides: dict[str, Side], rounds: int, seconds: float) -> dict[str, list[dict[str, Any]]]:
    """Each side once a round, and every second round backwards."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for name in _turns(list(sides), rounds):
        time.sleep(SETTLE)
        runs[name].append(sides[name].run(seconds))
    return runs


def _turns(names: list[str], rounds: int) -> Iterator[str]:
    for number in range(rounds):
        yield from names if number % 2 == 0 else reversed(names)


def _counted(counts: dict[str, int]) -> Counter[int]:
    """JSON has no keys but text."""
    return Counter({int(delay): number for delay, number in counts.items()})
