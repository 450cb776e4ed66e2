"""Sentinels at work: a bar each for the pass that they are in."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from akkordeon_dask.console._row import Row

__all__ = ["bars"]

_COLUMNS = ("name", "pass", "bar", "share", "figures", "rate", "left")
_LEAST, _NAME = 12, 24
"""Cells of the terminal that loss and scores have at least, and a name at most."""
_MOST = 8
"""Bars; further sentinels share one line."""


def bars(rows: Sequence[Row]) -> RenderableType:
    """A renderable for rich: a line a sentinel, and one for those that are too many."""
    return _Bars(tuple(rows))


@dataclass(frozen=True, slots=True)
class _Bars:
    rows: tuple[Row, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.rows:
            yield _table(self.rows[:_MOST], options.max_width)
        if more := self.rows[_MOST:]:
            yield Text(_summary(more), no_wrap=True, overflow="ellipsis")


def _table(rows: Sequence[Row], width: int) -> Table:
    cells = [(row.name, _pass(row), "", *_figures(row)) for row in rows]
    widths = {title: max(map(cell_len, its)) for title, its in zip(_COLUMNS, zip(*cells, strict=True), strict=True)}
    # Where there is little room, loss and scores are cut, and not the name.
    rest = sum(widths.values()) - widths["figures"] - max(0, widths["name"] - _NAME)
    most = {"name": _NAME, "figures": max(_LEAST, width - len(widths) - rest)}
    table = Table.grid(padding=(0, 1))
    for column in _COLUMNS:
        right = column in ("share", "rate", "left")
        table.add_column(
            justify="right" if right else "left", no_wrap=column != "bar", overflow="ellipsis",
            max_width=most.get(column),
        )  # fmt: skip
    for row, (name, number, _, *figures) in zip(rows, cells, strict=True):
        table.add_row(Text(name), Text(number), _bar(row), *map(Text, figures))
    return table


def _pass(row: Row) -> str:
    return f"pass {row.epoch}" if row.epochs is None else f"pass {row.epoch}/{row.epochs}"


def _bar(row: Row) -> ProgressBar:
    """The part of the pass that is done; grey all over where its length is not known."""
    share = row.progress.share if row.progress is not None else None
    return ProgressBar(total=1.0, completed=share or 0.0)


def _figures(row: Row) -> tuple[str, str, str, str]:
    """Share, loss and scores, samples a second, and time left; those of the last pass until a batch completes."""
    progress, newest = row.progress, row.newest
    if progress is None or math.isnan(progress.loss):
        if newest is None:
            return "", "paused" if row.paused else "", "", ""
        share, left = "", ""
        loss, scores, rate = newest.loss, newest.scores, newest.samples_per_s
    else:
        share = f"{progress.samples:,}" if progress.share is None else f"{math.floor(100 * progress.share)}%"
        left = "" if progress.remaining is None else f"{_clock(progress.remaining)} left"
        rate = progress.samples / progress.seconds if progress.seconds > 0 else 0.0
        loss, scores = progress.loss, progress.scores
    if row.paused:
        return share, _rated(loss, scores), "paused", ""
    return share, _rated(loss, scores), f"{rate:,.0f}/s", left


def _rated(loss: float, scores: Mapping[str, float]) -> str:
    return " ".join((f"loss {loss:.4f}", *(f"{name} {value:.4f}" for name, value in scores.items())))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _summary(rows: Sequence[Row]) -> str:
    first, last = min(row.epoch for row in rows), max(row.epoch for row in rows)
    passes = f"pass {first}" if first == last else f"passes {first} to {last}"
    return f"and {len(rows)} more sentinels: {passes}"
