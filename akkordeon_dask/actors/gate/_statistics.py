"""What a gate tells of itself."""

import dataclasses
from dataclasses import dataclass

from akkordeon_dask.actors.engine._cell import ActorCell
from akkordeon_dask.actors.engine._mailbox import MailboxStatistics
from akkordeon_dask.actors.gate._behavior import GateBehavior, GateCounts
from akkordeon_dask.actors.gate._snapshots import GateSnapshots
from akkordeon_dask.actors.transport._link import LinkStatistics
from akkordeon_dask.actors.transport._post_office import PostOffice
from akkordeon_dask.messages import GateMetrics

__all__ = ["GateStatistics", "metrics_of", "statistics_of"]

_LONG = 64
"""Longer delays, in updates, are told as this one."""


@dataclass(frozen=True)
class GateStatistics:
    """A gate at one moment."""

    gate: str
    worker: str
    version: int
    """Updates since it was made."""
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
    """Updates in the newest snapshot that it has written."""
    snapshot_error: str | None = None
    """Why the one after that could not be written."""


def metrics_of(
    core: GateBehavior, thread: ActorCell, *, key: str, place: int, parameters: int, now: float
) -> GateMetrics:
    """What rides on the heartbeat. In the gate's thread."""
    counts = core.counts
    delays: dict[int, int] = {}
    for delay, number in counts.delays.items():
        delays[min(delay, _LONG)] = delays.get(min(delay, _LONG), 0) + number
    return GateMetrics(
        network=core.network,
        name=core.name,
        key=key,
        at=now,
        busy=thread.busy,
        place=place,
        parameters=parameters,
        forwards=counts.samples,
        backwards=counts.backwards,
        evaluated=counts.evaluated,
        updates=counts.updates,
        version=core.version.number,
        mailbox=len(thread.mailbox),
        contexts=core.contexts,
        versions=core.versions,
        failed=counts.failed,
        dropped=sum(counts.dropped.values()),
        nbytes_in=counts.nbytes_in,
        nbytes_out=counts.nbytes_out,
        delays=tuple(sorted(delays.items())),
    )


def statistics_of(
    core: GateBehavior, thread: ActorCell, office: PostOffice, keeper: GateSnapshots | None = None
) -> GateStatistics:
    """All that it did and holds. In the gate's thread."""
    counts = core.counts
    return GateStatistics(
        gate=core.name,
        worker=core.worker,
        version=core.version.number,
        contexts=core.contexts,
        versions=core.versions,
        busy=thread.busy,
        counts=dataclasses.replace(counts, dropped=dict(counts.dropped), delays=dict(counts.delays)),
        mailbox=thread.mailbox.statistics(),
        links=tuple(office.statistics()),
        snapshot=keeper.last if keeper is not None else None,
        snapshot_error=keeper.error if keeper is not None else None,
    )
