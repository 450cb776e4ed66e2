"""Wait for the sentinels of a network, or for its end."""

import contextlib
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence

from akkordeon_dask.actors import GateActor
from akkordeon_dask.callbacks import Callback, Monitored
from akkordeon_dask.errors import AkkordeonError, SpecError
from akkordeon_dask.messages import PassReport
from akkordeon_dask.runtime._history import History
from akkordeon_dask.runtime._pause import training_sentinels
from akkordeon_dask.runtime._problems import watch_problems
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime._training import SessionTraining
from akkordeon_dask.runtime.clients._sentinels import others_rest, watched
from akkordeon_dask.runtime.handles._attached_handle import Attached

__all__ = ["wait"]

logger = logging.getLogger(__name__)


async def wait(
    session: Session, epochs: int | None, timeout: float | None, callbacks: Sequence[Callback], *, mine: bool
) -> History:
    """`Running.wait`, on the client's event loop."""
    session.check()
    session.callbacks.add(callbacks, SessionTraining(session))
    _, before = session.passes.since(0)
    try:
        session.callbacks.check_monitors()
        history = await _wait(session, epochs, timeout, mine=mine)
        _warn_about_callbacks(callbacks, session.passes.since(before)[0])
        return history
    finally:
        session.callbacks.remove(callbacks)


async def _wait(session: Session, epochs: int | None, timeout: float | None, *, mine: bool) -> History:
    training = [one for one in training_sentinels(session) if not one.stopped]
    endless = [one.name for one in training if epochs is None and one.sentinel.epochs is None]
    if endless and timeout is None:
        remedy = "say wait(epochs=...), or attach it with epochs"
        raise SpecError(f"sentinel {endless[0]!r} trains without end: {remedy}")
    waited_for = [one for one in session.sentinels.values() if one.sentinel.mode != "validate"]
    with _waited_for(training):
        await _count(training, epochs)
        await _wait_until_ended(session, waited_for, timeout, alone=mine or epochs is not None)
    await session.callbacks.finish()
    for attached in waited_for:
        attached.stopped = False
    await _warn_about_snapshots(session)
    return session.passes.history(mine=mine)


@contextlib.contextmanager
def _waited_for(training: Iterable[Attached]) -> Iterator[None]:
    """Other calls, which count fewer passes meanwhile, do not let these rest before."""
    for attached in training:
        attached.waits += 1
    try:
        yield
    finally:
        for attached in training:
            attached.waits -= 1


async def _count(training: Iterable[Attached], epochs: int | None) -> None:
    """Let each make so many more passes; None: as many as it was attached with."""
    for attached in training:
        if epochs is not None or (attached.until is not None and attached.sentinel.epochs is not None):
            await attached.count(epochs)
            if attached.stopped:  # meanwhile
                await attached.rest()


async def _wait_until_ended(
    session: Session, waited_for: Iterable[Attached], timeout: float | None, *, alone: bool
) -> None:
    """Wait for sentinels of this client and, unless it is `alone`, for those of other clients."""

    async with watch_problems(session) as problems:

        def ended() -> bool:
            session.callbacks.check()
            done = all(attached.ended for attached in waited_for) and session.epochs.idle and session.callbacks.idle
            if not done:
                problems.check()
            return done

        if alone:
            await session.wait_until(ended, timeout)
            return
        async with watched(session):
            await session.wait_until(lambda: ended() and others_rest(session), timeout)


def _warn_about_callbacks(callbacks: Iterable[Callback], passes: Sequence[PassReport]) -> None:
    """Warn of each callback that has had nothing to react to: it has stopped, written or slowed nothing."""
    for one in callbacks:
        if isinstance(one, Monitored) and all(one.value(report) is None for report in passes):
            warnings.warn(
                f"{one!r} has seen no {one.monitor!r}: no pass of that sentinel has ended since this wait began. "
                "Give it to add_callback before the sentinels are attached: then it misses no pass",
                RuntimeWarning,
                stacklevel=2,
            )


async def _warn_about_snapshots(session: Session) -> None:
    """Warn of each gate whose newest snapshot could not be written: the network trains on, but cannot go back to it.

    Python shows a warning once, and may turn it into an error.
    """
    if not session.policy.restarts:  # the network keeps no snapshots
        return
    try:
        gates = await session.on_gates(GateActor.statistics)
    except AkkordeonError as error:  # a gate is being restarted
        logger.info("cannot check the snapshots of network %r: %s", session.name, error)
        return
    for gate, statistics in gates.items():
        if statistics.snapshot_error is not None:
            newest = "none" if statistics.snapshot is None else f"one of update {statistics.snapshot:,}"
            warnings.warn(
                f"snapshots of gate {gate!r} are not written, there is {newest}: {statistics.snapshot_error}",
                RuntimeWarning,
                stacklevel=2,
            )
