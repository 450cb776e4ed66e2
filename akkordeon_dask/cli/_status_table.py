"""What runs on a cluster, as tables."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from akkordeon_dask.runtime import GateStatus, NetworkStatus, SentinelStatus

__all__ = ["status_table"]

_GATES = ("gate", "worker", "state", "version", "updates/s", "samples/s", "busy", "mailbox")
_SENTINELS = ("sentinel", "mode", "worker", "state", "epoch", "loss", "samples/s")
_LEFT = frozenset(("gate", "sentinel", "mode", "worker", "state"))
_NOTHING = "-"


def status_table(networks: Sequence[NetworkStatus]) -> RenderableType:
    """What rich draws: for each network its owner, a row a gate, and a row a sentinel."""
    if not networks:
        return "no networks"
    return Group(*(part for network in networks for part in _parts(network)))


def _parts(network: NetworkStatus) -> Iterator[RenderableType]:
    owner = f"owner {network.owner}" if network.owner is not None else "no owner"
    yield f"[bold]{escape(network.name)}[/bold]  {escape(owner)}"
    yield _table(_GATES, map(_gate, network.gates))
    if network.sentinels:
        yield _table(_SENTINELS, map(_sentinel, network.sentinels))
    else:
        yield "no sentinels"


def _table(columns: Sequence[str], rows: Iterator[tuple[str, ...]]) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column, justify="left" if column in _LEFT else "right", no_wrap=column != "worker")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _gate(gate: GateStatus) -> tuple[str, ...]:
    worker = _worker(gate)
    if gate.version is None:
        return (gate.name, worker, gate.state, *[_NOTHING] * 5)
    rates = f"{gate.updates_per_s:,.0f}", f"{gate.samples_per_s:,.0f}", f"{gate.busy:.0%}"
    return (gate.name, worker, gate.state, f"{gate.version:,}", *rates, str(gate.mailbox))


def _sentinel(sentinel: SentinelStatus) -> tuple[str, ...]:
    report = sentinel.report
    figures = (str(report.epoch), f"{report.loss:.6f}", f"{report.samples_per_s:,.0f}") if report else (_NOTHING,) * 3
    return (sentinel.name, sentinel.mode, _worker(sentinel), sentinel.state, *figures)


def _worker(one: GateStatus | SentinelStatus) -> str:
    return one.worker or one.address
