"""A network at work, as tables."""

import math
import time
from collections.abc import Iterable, Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from akkordeon_dask.dashboard import GateGlance, Glance, SentinelGlance, Trouble

__all__ = ["top_table"]

_GATES = (
    *("gate", "worker", "busy", "forward\nsamples/s", "backward\nsamples/s", "\nupdates/s", "mailbox\nbatches"),
    *("versions\nheld", "delay\nupdates"),
)
_SENTINELS = ("sentinel", "mode", "state", "pass", "\nsamples/s", "in\nflight", "lost\nsamples", "loss")
_LEFT = {"gate": 10, "worker": 8, "sentinel": 10, "mode": 8, "state": 7}
"""Columns of text, with letters that they have at least: all fits into a terminal of 80 columns."""
_NOTHING = "-"


def top_table(glance: Glance) -> RenderableType:
    """What rich draws: a row a gate, the busiest in bold; a row a sentinel; what went wrong last."""
    return Group(*_parts(glance))


def _parts(glance: Glance) -> Iterator[RenderableType]:
    state = "runs" if glance.ended is None else f"ended at {_clock(glance.ended)}"
    yield f"[bold]{escape(glance.name)}[/bold]  {state}"
    yield _gates(glance) if glance.gates else "no gate has told of itself yet"
    yield ""
    yield _sentinels(glance) if glance.sentinels else "no sentinels"
    if glance.troubles:
        yield f"\nwent wrong, newest of {glance.troubles_seen:,} first:"
        yield from map(_trouble, glance.troubles)


def _gates(glance: Glance) -> Table:
    most = max((gate.busy for gate in glance.gates if not math.isnan(gate.busy)), default=math.inf)
    table = _table(_GATES)
    for gate in glance.gates:
        cells = _gate(gate) if gate.here else _gone(gate, "" if glance.ended is not None else " (lost)")
        table.add_row(*map(escape, cells), style="bold" if gate.busy == most else None)
    return table


def _sentinels(glance: Glance) -> Table:
    scores = dict.fromkeys(name for one in glance.sentinels if one.last is not None for name in one.last.scores)
    table = _table((*_SENTINELS, *map(escape, scores)))
    for sentinel in glance.sentinels:
        table.add_row(*map(escape, _sentinel(sentinel, scores)))
    return table


def _table(columns: tuple[str, ...]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=0, show_edge=False)
    for column in columns:
        if column in _LEFT:
            table.add_column(column, min_width=_LEFT[column], overflow="fold")
        else:
            table.add_column(column, justify="right", no_wrap=True)
    return table


def _gone(gate: GateGlance, why: str) -> tuple[str, ...]:
    return (gate.name, gate.worker + why, *[_NOTHING] * (len(_GATES) - 2))


def _gate(gate: GateGlance) -> tuple[str, ...]:
    busy = _NOTHING if math.isnan(gate.busy) else f"{gate.busy:.0%}"
    rates = map(_rate, (gate.forwards_per_s, gate.backwards_per_s, gate.updates_per_s))
    delay = _NOTHING if math.isnan(gate.delay) else f"{gate.delay:.2f}"
    return (gate.name, gate.worker, busy, *rates, str(gate.mailbox), str(gate.versions), delay)


def _sentinel(sentinel: SentinelGlance, scores: Iterable[str]) -> tuple[str, ...]:
    number = str(sentinel.epoch) if sentinel.epochs is None else f"{sentinel.epoch}/{sentinel.epochs}"
    flying = f"{sentinel.in_flight}/{sentinel.concurrency}"
    work = number, _rate(sentinel.samples_per_s), flying, f"{sentinel.lost:,}"
    newest = sentinel.last
    loss = _NOTHING if newest is None else f"{newest.loss:.4f}"
    rated = {} if newest is None else newest.scores
    ratings = [f"{rated[name]:.4f}" if name in rated else _NOTHING for name in scores]
    return (sentinel.name, sentinel.mode, sentinel.state, *work, loss, *ratings)


def _rate(rate: float) -> str:
    return _NOTHING if math.isnan(rate) else f"{rate:,.0f}"


def _trouble(one: Trouble) -> str:
    return escape(f"{_clock(one.time)} {one.event} {one.who}: {one.text}")


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))
