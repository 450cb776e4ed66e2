"""Actors with torch modules against PyTorch's loop and pipelines, and against Ray, in turn."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tests.bench._module_rows import MODULE_ROWS
from tests.bench._race import BEFORE, LOOP, OURS, alternate, quantiles
from tests.bench._side import Side

PIPELINES = "Schedule1F1B", "ScheduleGPipe"


def module_race(only: str, rounds: int, seconds: float, before: Path | None, *, peers: bool) -> Iterator[str]:
    """For each row whose name contains `only` the lines of a table, as soon as they are known."""
    yield "| network | side | samples/s | over the loop | asked |"
    yield "|---|---|---|---|---|"
    for name, row in MODULE_ROWS.items():
        if only not in name:
            continue
        kinds = {OURS: "actors", LOOP: "loop"}
        if peers and len(row.starts) > 1:
            kinds |= {kind: kind for kind in (*PIPELINES, *["ray"] * (find_spec("ray") is not None))}
        with ExitStack() as stack:
            sides = {side: stack.enter_context(closing(Side(kind, name))) for side, kind in kinds.items()}
            if before is not None:
                sides[BEFORE] = stack.enter_context(closing(Side("actors", name, before)))
            runs = alternate(sides, rounds, seconds)
        rates = {side: np.array([run["samples_per_s"] for run in its]) for side, its in runs.items()}
        for side, its in rates.items():
            ratio = "" if side == LOOP else _triple(quantiles(its / rates[LOOP]), ".2f")
            goal = f"{row.goal}" if side == OURS else ""
            yield f"| {name} | {side} | {_triple(quantiles(its), ',.0f')} | {ratio} | {goal} |"


def _triple(values: list[float], form: str) -> str:
    low, middle, high = (f"{value:{form}}" for value in values)
    return f"{middle} ({low} to {high})"
