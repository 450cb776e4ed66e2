"""The metrics and statistics of a gate."""

import dataclasses
from dataclasses import dataclass

from akkordeon_dask.actors.engine._cell import Cell
from akkordeon_dask.actors.engine._mailbox import MailboxStatistics
from akkordeon_dask.actors.gate._behavior import GateBehavior
from akkordeon_dask.actors.gate._snapshots import GateSnapshots
from akkordeon_dask.actors.gate._state import GateCounts
from akkordeon_dask.actors.transport._link import LinkStatistics
from akkordeon_dask.messages import GateMetrics

__all__ = ["GateStatistics", "metrics_of", "statistics_of"]

_LONG = 64
"""Longer delays, in updates, count as this one."""


@dataclass(frozen=True)
class GateStatistics:
    """A gate at one moment."""

    gate: str
    worker: str
    version: int
    """Batches that are part of its parameters, or wait for others to update with, since the network was deployed."""
    contexts: int
    """Batches whose forward pass is kept."""
    versions: int
    """Versions of the parameters that are held."""
    busy: float
    """Seconds of work."""
    counts: GateCounts
    mailbox: MailboxStatistics
    links: tuple[LinkStatistics, ...]
    """All links of the gate's worker."""
    snapshot: int | None = None
    """Updates in the newest snapshot that it has written, or was restored from."""
    snapshot_error: str | None = None
    """The reason why the one after that could not be written."""


def metrics_of(
    behavior: GateBehavior, cell: Cell, *, key: str, position: int, parameters: int, now: float
) -> GateMetrics:
    """The metrics for the heartbeat. In a turn of the gate."""
    counts = behavior.counts
    delays: dict[int, int] = {}
    for delay, number in counts.delays.items():
        delays[min(delay, _LONG)] = delays.get(min(delay, _LONG), 0) + number
    return GateMetrics(
        network=behavior.network,
        name=behavior.name,
        key=key,
        at=now,
        busy=cell.busy,
        position=position,
        parameters=parameters,
        forwards=counts.samples,
        backwards=counts.backwards,
        evaluated=counts.evaluated,
        updates=counts.updates,
        version=behavior.versions.present.number,
        mailbox=len(cell.mailbox),
        contexts=behavior.contexts,
        versions=behavior.held_versions,
        failed=counts.failed,
        dropped=sum(counts.dropped.values()),
        nbytes_in=counts.nbytes_in,
        nbytes_out=counts.nbytes_out,
        delays=tuple(sorted(delays.items())),
        stuck=cell.stuck,
        hangs=cell.hangs,
    )


def statistics_of(
    behavior: GateBehavior, cell: Cell, links: tuple[LinkStatistics, ...], snapshots: GateSnapshots
) -> GateStatistics:
    """The statistics of a gate. In a turn of it, or between two."""
    counts = behavior.counts
    return GateStatistics(
        gate=behavior.name,
        worker=behavior.worker,
        version=behavior.versions.present.number,
        contexts=behavior.contexts,
        versions=behavior.held_versions,
        busy=cell.busy,
        counts=dataclasses.replace(counts, dropped=dict(counts.dropped), delays=dict(counts.delays)),
        mailbox=cell.mailbox.statistics(),
        links=links,
        snapshot=snapshots.last,
        snapshot_error=snapshots.error,
    )
