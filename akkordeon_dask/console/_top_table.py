"""A network at work, as tables."""

import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from akkordeon_dask.messages import PassProgress, PassReport
from akkordeon_dask.telemetry import LiveGate, LiveSentinel, LiveStatus, duration_text, share_text

__all__ = ["top_table"]

_GATES = (
    *("gate", "worker", "busy", "forward\nsamples/s", "backward\nsamples/s", "\nupdates/s", "mailbox\nbatches"),
    *("versions\nheld", "delay\nupdates"),
)
_PASS = ("sentinel", "mode", "state", "pass", "left", "done")
_RATES = ("samples\n/s", "in\nflight")
_LOST = "lost"
"""A column where some are."""
_LEFT = {"gate": 10, "worker": 8, "sentinel": 9, "mode": 8, "state": 7}
"""Columns of text, with letters that they have at least: all fits into a terminal of 80 columns."""
_SPARE = (
    *("versions\nheld", "mailbox\nbatches", "\nupdates/s", "backward\nsamples/s", "delay\nupdates", "worker"),
    *("in\nflight", "left", "mode", "pass", "samples\n/s", "state"),
)
"""Columns that go, one after the other, where a terminal is too narrow for all."""
_BAR, _ROOM = 12, 100
"""Columns of a progress bar, and those of a terminal that has room for it."""
_NOTHING = "-"


def top_table(status: LiveStatus) -> RenderableType:
    """A renderable for rich: a row a gate, the busiest in bold; a row a sentinel; the newest incidents."""
    return Group(*_parts(status))


def _parts(status: LiveStatus) -> Iterator[RenderableType]:
    state = "runs" if status.ended is None else f"ended at {_clock(status.ended)}"
    yield Text.assemble((status.name, "bold"), f"  {state}")
    yield _gates(status) if status.gates else "no gate has reported yet"
    yield ""
    yield _Sentinels(status.sentinels) if status.sentinels else "no sentinels"
    if status.incidents:
        yield f"\nincidents, newest of {status.incidents_seen:,} first:"
        for one in status.incidents:
            yield Text(f"{_clock(one.time)} {one.event} {one.who}: {one.text}")


def _gates(status: LiveStatus) -> "_Fitting":
    most = max((gate.busy for gate in status.gates if not math.isnan(gate.busy)), default=math.inf)
    table = _Fitting(_GATES)
    for gate in status.gates:
        cells = _gate(gate) if gate.state == "running" else _gone(gate)
        table.add_row(map(Text, cells), style="bold" if gate.busy == most else None)
    return table


class _Fitting:
    """A table; where the terminal is too narrow for it, without some of its columns."""

    def __init__(self, titles: Sequence[str]) -> None:
        self._titles = titles
        self._rows: list[tuple[dict[str, RenderableType], str | None]] = []

    def add_row(self, cells: Iterable[RenderableType], *, style: str | None = None) -> None:
        """Add a row with a cell for each title."""
        self._rows.append((dict(zip(self._titles, cells, strict=True)), style))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        titles = list(self._titles)
        spare = [title for title in _SPARE if title in titles]
        table, unbounded = self._table(titles), options.update(max_width=sys.maxsize)
        while spare and Measurement.get(console, unbounded, table).minimum > options.max_width:
            titles.remove(spare.pop(0))
            table = self._table(titles)
        yield table

    def _table(self, titles: Sequence[str]) -> Table:
        """Names are text, in titles as in cells: rich makes styles and emoji of plain strings."""
        table = Table(box=SIMPLE_HEAD, padding=0, show_edge=False)
        for title in titles:
            if title in _LEFT:
                table.add_column(Text(title), min_width=_LEFT[title], overflow="fold")
            else:
                table.add_column(Text(title), justify="right", no_wrap=True)
        for cells, style in self._rows:
            table.add_row(*(cells[title] for title in titles), style=style)
        return table


class _Sentinels:
    """A row a sentinel: the pass that it is in with its figures so far, else its last one."""

    def __init__(self, sentinels: Sequence[LiveSentinel]) -> None:
        self._sentinels = sentinels

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        ones = self._sentinels
        scores = dict.fromkeys(name for one in ones if (newest := _newest(one)) is not None for name in newest.scores)
        bars = console.is_terminal and options.max_width >= _ROOM
        lost = any(one.lost for one in ones)
        titles = (*_PASS, *([""] if bars else []), *_RATES, *([_LOST] if lost else []), "loss", *scores)
        table = _Fitting(titles)
        for one in ones:
            bar = [_bar(one)] if bars else []
            more = [f"{one.lost:,}"] if lost else []
            table.add_row([*map(Text, _pass(one)), *bar, *_rates(one), *more, *_learned(one, scores)])
        yield table


def _gone(gate: LiveGate) -> tuple[str, ...]:
    why = "" if gate.state == "ended" else f" ({gate.state})"
    return (gate.name, gate.worker + why, *[_NOTHING] * (len(_GATES) - 2))


def _gate(gate: LiveGate) -> tuple[str, ...]:
    busy = _NOTHING if math.isnan(gate.busy) else f"{gate.busy:.0%}"
    rates = map(_rate, (gate.samples_per_s, gate.backwards_per_s, gate.updates_per_s))
    delay = _NOTHING if math.isnan(gate.delay) else f"{gate.delay:.2f}"
    return (gate.name, gate.worker, busy, *rates, str(gate.mailbox), str(gate.versions), delay)


def _pass(one: LiveSentinel) -> tuple[str, ...]:
    """A cell for each of `_PASS`."""
    progress = one.progress
    number = one.epoch if progress is None else progress.epoch
    of = str(number) if one.epochs is None else f"{number}/{one.epochs}"
    share = left = _NOTHING
    if progress is not None and progress.share is not None:
        share = share_text(progress.share).replace(" ", "")
    if progress is not None and progress.remaining is not None:
        left = duration_text(progress.remaining).replace(" ", "").replace("min", "m")
    return one.name, one.mode, one.activity or one.state, of, left, share


def _bar(one: LiveSentinel) -> RenderableType:
    share = None if one.progress is None else one.progress.share
    return _NOTHING if share is None else ProgressBar(total=1.0, completed=share, width=_BAR)


def _rates(one: LiveSentinel) -> tuple[str, ...]:
    """A cell for each of `_RATES`."""
    return _rate(one.samples_per_s), f"{one.in_flight}/{one.concurrency}"


def _learned(one: LiveSentinel, scores: Iterable[str]) -> Iterator[str]:
    newest = _newest(one)
    rated = {} if newest is None else newest.scores
    yield _NOTHING if newest is None else f"{newest.loss:.4f}"
    for name in scores:
        yield f"{rated[name]:.4f}" if name in rated else _NOTHING


def _newest(one: LiveSentinel) -> PassProgress | PassReport | None:
    """The pass that is open, once its loss is known; else the last that is finished."""
    return one.progress if one.progress is not None and not math.isnan(one.progress.loss) else one.report


def _rate(rate: float) -> str:
    return _NOTHING if math.isnan(rate) else f"{rate:,.0f}"


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))
