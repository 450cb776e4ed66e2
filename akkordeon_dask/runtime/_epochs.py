"""Validation passes that follow epochs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from akkordeon_dask.errors import AkkordeonError, DeadlineError, SchedulerLostError
from akkordeon_dask.messages import PassReport
from akkordeon_dask.runtime._callbacks import CallbackQueue
from akkordeon_dask.runtime._cut_short import finished
from akkordeon_dask.runtime.handles._attached_handle import Attached

__all__ = ["EpochValidations"]

logger = logging.getLogger(__name__)

_AGAIN = 0.25
"""Seconds between two attempts of a call: a broken connection is an error at once."""


class EpochValidations:
    """Has epochs rated by the sentinels of this client that are meant for that, one epoch after the other.

    A training sentinel of this client begins its next epoch when the one before is rated, and the callbacks have had
    their say. Only the client's event loop uses this.

    Parameters
    ----------
    sentinels
        those of this client, by name; always those of now.
    until
        waits until a condition holds.
    changed
        called when an epoch has been rated.
    """

    def __init__(
        self,
        sentinels: Mapping[str, Attached],
        until: Callable[[Callable[[], bool]], Awaitable[None]],
        callbacks: CallbackQueue,
        changed: Callable[[], None],
    ) -> None:
        self._sentinels, self._until, self._callbacks, self._changed = sentinels, until, callbacks, changed
        self._ended: asyncio.Queue[PassReport] = asyncio.Queue()
        self._pending = 0
        """Epochs that have ended and are not rated yet."""

    @property
    def idle(self) -> bool:
        """All epochs that have ended are rated."""
        return not self._pending

    def validate(self, name: str) -> bool:
        """The epochs of a training sentinel of this name are rated."""
        return bool(self._raters(name))

    def _raters(self, name: str) -> list[Attached]:
        return [one for one in self._sentinels.values() if one.sentinel.rates_epochs_of(name) and not one.error]

    async def begin(self, rater: Attached) -> None:
        """Have training sentinels wait for one that was attached, where it rates their epochs."""
        for one in list(self._sentinels.values()):
            if one.sentinel.mode == "train" and not one.validated and rater.sentinel.rates_epochs_of(one.name):
                one.validated = True
                await finished(self._notify(one, one.validate_passes()))  # cut short, it would not know of it

    def add_pass(self, report: PassReport) -> None:
        """Note a finished pass: if it is an epoch it will be rated."""
        if report.mode == "train" and (self._validated(report) is not None or self._raters(report.sentinel)):
            self._pending += 1
            self._ended.put_nowait(report)

    def _validated(self, report: PassReport) -> Attached | None:
        """The sentinel of this client that waits for its epoch to be rated."""
        one = self._sentinels.get(report.sentinel)
        return one if one is not None and one.validated else None

    async def run(self) -> None:
        """Rate epochs, without end."""
        while True:
            report = await self._ended.get()
            await asyncio.gather(*map(self._rate, self._raters(report.sentinel)))
            await self._until(lambda: self._callbacks.idle)
            if (one := self._validated(report)) is not None:
                await self._clear(one, report.epoch)
            self._pending -= 1
            self._changed()

    async def _rate(self, rater: Attached) -> None:
        """Have it make a pass, by whichever of its incarnations; one that has failed or left makes none."""
        await rater.count(1)
        await self._until(lambda: rater.ended)

    async def _clear(self, one: Attached, epoch: int) -> None:
        """Let it go on behind an epoch; a call that is lost is repeated, or it would wait for ever."""
        while self._sentinels.get(one.name) is one and one.error is None:
            try:
                await one.clear(epoch)
                return
            except (DeadlineError, SchedulerLostError) as error:
                logger.info("%s is told of the validation of its passes again: %s", one.label, error)
                await asyncio.sleep(_AGAIN)
            except AkkordeonError as error:  # where it is lost, its next incarnation goes on by itself
                logger.info("%s was not told of the validation of its passes: %s", one.label, error)
                return

    async def _notify(self, one: Attached, call: Awaitable[None]) -> None:
        try:
            await call
        except AkkordeonError as error:  # where it is lost, its next incarnation goes on by itself
            logger.info("%s was not told of the validation of its passes: %s", one.label, error)
