"""Attach sentinels that read collections of Dask to a network: a group that trains, or one that rates."""

from akkordeon_dask.data import Collections
from akkordeon_dask.errors import DataError, SpecError
from akkordeon_dask.messages import PassReport
from akkordeon_dask.network import Sentinel
from akkordeon_dask.runtime import _evaluate
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.collections._group import AttachedGroup
from akkordeon_dask.runtime.collections._resolve import resolve
from akkordeon_dask.runtime.collections._whole import with_partitions
from akkordeon_dask.runtime.handles._attached_handle import Attached
from akkordeon_dask.runtime.handles._sentinel_names import release_name, reserve_name
from akkordeon_dask.runtime.recovery._sentinels import attach

__all__ = ["attach_collections", "evaluate", "reads"]


async def attach_collections(session: Session, sentinel: Sentinel, resume: bool | None = None) -> Attached:
    """`Running.attach` of a sentinel with collections: one that trains is a group, another one reads them alone.

    Raises
    ------
    AkkordeonError
        see `Running.attach`; nothing is left then.
    """
    if sentinel.mode == "train":
        return await _attach_group(session, sentinel, resume)
    return await attach(session, await with_partitions(session, sentinel), resume)


async def evaluate(session: Session, sentinel: Sentinel) -> PassReport:
    """`Running.evaluate`, of collections too."""
    return await _evaluate.evaluate(session, await with_partitions(session, sentinel))


def reads(attached: Attached, sentinel: Sentinel) -> bool:
    """Whether a sentinel was attached as this one, though with the partitions of its collections."""
    own = attached.sentinel
    return own is sentinel or getattr(own.provider, "origin", None) is sentinel.provider


async def _attach_group(session: Session, sentinel: Sentinel, resume: bool | None = None) -> AttachedGroup:
    """Make a sentinel on each worker that holds partitions of the data, or will compute them, and let them begin.

    Raises
    ------
    AkkordeonError
        see `Running.attach`; nothing is left then.
    """
    session.check()
    data = _check(sentinel, resume)
    partitions = await resolve(session.client, data)
    session.network.check_input(partitions.shape, partitions.dtype)
    reservation = await reserve_name(
        session.client, session.name, session.entry.run, session.network.names, sentinel, session.sentinels
    )
    session.own_keys.add(reservation.base)
    try:
        group = AttachedGroup(session, sentinel, reservation, partitions)
        group.validated = session.epochs.validate(reservation.name)
        await session.add(group, group.begin)
    except BaseException:
        session.own_keys.discard(reservation.base)
        await release_name(session.client, reservation.token)
        raise
    return group


def _check(sentinel: Sentinel, resume: bool | None) -> Collections:
    data = sentinel.provider
    assert isinstance(data, Collections)
    if not data.labelled:
        raise DataError(f"{data!r} has no labels to train with: give it a y, or a target of a frame")
    for label, value, known in (
        ("workers", sentinel.workers, None),
        ("batches_per_pass", sentinel.batches_per_pass, None),
        ("report_every", sentinel.report_every, None),
        ("fading", sentinel.fading, None),
        ("resume", resume or None, None),
    ):
        if value != known:
            raise SpecError(f"{label}={value!r} is not for collections of Dask: leave it out")
    if sentinel.on_nonfinite == "rewind":
        raise SpecError("on_nonfinite='rewind' is not for collections of Dask: take 'stop' or 'skip'")
    return data
