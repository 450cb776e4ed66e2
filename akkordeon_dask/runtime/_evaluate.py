"""Sentinels that are attached for one pass: to evaluate the network, and to predict with it."""

from akkordeon_dask.actors import SentinelActor
from akkordeon_dask.data import ColumnNames
from akkordeon_dask.data._arrays import Arrays
from akkordeon_dask.errors import DeadlineError
from akkordeon_dask.messages import PassReport
from akkordeon_dask.network import Sentinel
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.handles._sentinel import AttachedSentinel
from akkordeon_dask.runtime.recovery._sentinels import attach
from akkordeon_dask.tree import Array

__all__ = ["evaluate", "predict"]


async def evaluate(session: Session, sentinel: Sentinel) -> PassReport:
    """`Running.evaluate`, on the client's event loop."""
    attached = await _make_pass(session, sentinel)
    await session.detach(attached)
    return attached.reports[-1]


async def predict(session: Session, x: Array, columns: ColumnNames, batch_size: int) -> Array:
    """`Running.predict`, on the client's event loop; `columns`: those that `x` comes from."""
    provider = Arrays(x, None, columns=columns, shuffle=False)
    sentinel = Sentinel("predict", provider, batch_size=min(batch_size, len(x)), concurrency=4)
    attached = await _make_pass(session, sentinel)
    try:
        if lost := attached.reports[-1].lost:
            raise DeadlineError(f"{lost} of {len(x)} samples did not come back: look at the gates' workers")
        outputs = await attached.ask(SentinelActor.outputs)
    finally:
        await session.detach(attached)
    return outputs


async def _make_pass(session: Session, sentinel: Sentinel) -> AttachedSentinel:
    """Attach a sentinel and wait for the end of its pass; after an error nothing of it is left."""
    attached = await attach(session, sentinel)
    try:
        await session.wait_until(lambda: attached.state == "resting", None, own=attached)
    except BaseException:
        await session.detach(attached)
        raise
    return attached
