"""The networks of a cluster, as tables."""

import math
from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from akkordeon_dask.telemetry import LiveGate, LiveSentinel, NetworkStatus

__all__ = ["status_table"]

_GATES = ("gate", "worker", "state", "version", "updates/s", "samples/s", "busy", "mailbox", "delay")
_SENTINELS = ("sentinel", "mode", "worker", "state", "pass", "loss", "samples/s")
_LEFT = frozenset(("gate", "sentinel", "mode", "worker", "state"))
_NOTHING = "-"
_RULE = 3
"""Columns between two cells."""


def status_table(networks: Sequence[NetworkStatus]) -> RenderableType:
    """A renderable for rich: for each network its owner, a row a gate, and a row a sentinel.

    A delay is the mean of all gradients of the gate and the largest one, in updates.
    """
    if not networks:
        return "no networks"
    return Group(*(part for network in networks for part in _parts(network)))


def _parts(network: NetworkStatus) -> Iterator[RenderableType]:
    owner = f"owner {network.owner}" if network.owner is not None else "no owner"
    yield Text.assemble((network.name, "bold"), f"  {owner}")
    yield _Rows(_GATES, map(_gate, network.gates))
    yield from map(Text, _policies(network.gates))
    yield from (Text(gate.stuck) for gate in network.gates if gate.stuck)
    if network.sentinels:
        yield _Rows(_SENTINELS, map(_sentinel, network.sentinels))
    else:
        yield "no sentinels"


class _Rows:
    """A table; where the terminal is too narrow for it, each row as text, with the titles and without empty cells."""

    def __init__(self, titles: Sequence[str], rows: Iterable[tuple[str, ...]]) -> None:
        self._titles, self._rows = titles, list(rows)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._width <= options.max_width:
            yield self._table()
        else:
            yield from map(self._text, self._rows)

    @property
    def _width(self) -> int:
        """Columns of a terminal that the table needs where nothing is cut off; workers' names are broken at spaces."""
        columns = zip(self._titles, zip(self._titles, *self._rows, strict=True), strict=True)
        words = (" ".join(column).split() if title == "worker" else column for title, column in columns)
        return 1 + sum(_RULE + max(map(cell_len, ones)) for ones in words)

    def _table(self) -> Table:
        table = Table()
        for title in self._titles:
            table.add_column(title, justify="left" if title in _LEFT else "right", no_wrap=title != "worker")
        for row in self._rows:
            table.add_row(*map(Text, row))
        return table

    def _text(self, row: tuple[str, ...]) -> Text:
        known = [f"{title} {cell}" for title, cell in zip(self._titles, row, strict=True) if cell != _NOTHING]
        return Text(", ".join(known))


def _gate(gate: LiveGate) -> tuple[str, ...]:
    rates = _number(gate.updates_per_s, ",.0f"), _number(gate.samples_per_s, ",.0f"), _number(gate.busy, ".0%")
    version, mailbox = _number(gate.version, ","), _number(gate.mailbox, "")
    delay = _NOTHING if gate.largest_delay is None else f"{gate.delay:.1f}/{gate.largest_delay}"
    return gate.name, gate.worker or gate.address, gate.state, version, *rates, mailbox, delay


def _policies(gates: Iterable[LiveGate]) -> Iterator[str]:
    """Gates with one optimizer, and one answer to late gradients, in a line."""
    names: dict[str, list[str]] = {}
    for gate in gates:
        names.setdefault(gate.policy, []).append(gate.name)
    names.pop("", None)
    for policy, those in names.items():
        yield f"{', '.join(those)} {'updates' if len(those) == 1 else 'update'} by {policy}"


def _number(number: float | None, form: str) -> str:
    return _NOTHING if number is None or math.isnan(number) else format(number, form)


def _sentinel(sentinel: LiveSentinel) -> tuple[str, ...]:
    report = sentinel.report
    last = (str(report.epoch), f"{report.loss:.6f}", f"{report.samples_per_s:,.0f}") if report else (_NOTHING,) * 3
    return sentinel.name, sentinel.mode, sentinel.worker, sentinel.activity or sentinel.state, *last
