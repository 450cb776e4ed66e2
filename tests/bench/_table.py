"""The figures of the rows as a table."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from tests.bench._messages import Costs
from tests.bench._race import BEFORE, LOOP, OURS, Result, quantiles

_SHOWN = 4
"""Gates; of more only the first and the last are shown."""


def show(results: list[Result], costs: Costs) -> None:
    """A line for each side of each row; triples are quantiles of 5, 50 and 95 % of the rounds."""
    console = Console(width=180)
    table = Table(
        "network", "side", "samples/s", "over the loop", "goal", "over before", "delay of gates", "switches", "load"
    )
    for result in results:
        for number, side in enumerate(result.runs):
            goal = f"{result.row.goal}" if side == OURS and result.row.goal is not None else ""
            name, load = ("", "") if number else (result.row.name, "{:.1f} to {:.1f}".format(*result.load))
            table.add_row(name, side, *_speed(result, side, goal), *_beside(result, side), load)
        table.add_section()
    if results:
        console.print(table)
    for side, sizes in costs.items():
        for size, (alone, beside) in sizes.items():
            of = f"{side}: a message of {int(size):,} bytes between two workers"
            console.print(f"{of}: {_triple(alone, '.0f')} us alone, {_triple(beside, '.0f')} us with eight in flight")


def _speed(result: Result, side: str, goal: str) -> tuple[str, ...]:
    over = "" if side == LOOP else _triple(quantiles(result.ratios(side, LOOP)), ".2f")
    old = _triple(quantiles(result.ratios(side, BEFORE)), ".2f") if side == OURS and BEFORE in result.runs else ""
    return _triple(quantiles(result.rates(side)), ",.0f"), over, goal, old


def _beside(result: Result, side: str) -> tuple[str, str]:
    delays, switches = [f"{delay:.2f}" for delay in result.delays(side)], result.switches(side)
    if len(delays) > _SHOWN:
        delays = [delays[0], "...", delays[-1]]
    return " ".join(delays), "" if switches is None else f"{switches:.1f}"


def _triple(values: Iterable[float], form: str) -> str:
    low, middle, high = (f"{value:{form}}" for value in values)
    return f"{middle} ({low} to {high})"
