"""A sentinel's core together with its data."""

import logging
from collections.abc import Callable
from typing import Any

from akkordeon_dask.actors.sentinel._batch_reader import BatchReader, Drawn, NoBatch
from akkordeon_dask.actors.sentinel._behavior import SentinelBehavior
from akkordeon_dask.data import Batch
from akkordeon_dask.errors import AkkordeonError, SentinelError
from akkordeon_dask.messages import Message

__all__ = ["BatchReady", "Driver"]

logger = logging.getLogger(__name__)

_LATER = 1.0
"""Seconds to the next look at the clock, where there is nothing to wait for."""


class BatchReady:
    """Put into the mailbox when a batch has been drawn elsewhere."""


class Driver:
    """What the thread of a sentinel drives: messages go to the core, and the core gets all batches it wants.

    `changed` is called when the core's state changes, when the last batch under way has come home, and once `tried`.

    Parameters
    ----------
    check
        raises what is wrong with the first batch, which is not sent then.
    """

    def __init__(
        self, core: SentinelBehavior, changed: Callable[[], None], check: Callable[[Batch], None] = lambda batch: None
    ) -> None:
        self.core = core
        self.feed: BatchReader | None = None
        self.tried = False
        """A first batch has been drawn and is right, or none is to be drawn yet. Set by its thread, once."""
        self._changed, self._check = changed, check
        self._form: tuple[Any, ...] = ()
        self._known: tuple[str, bool, bool] = (core.state, True, False)

    def receive(self, message: Message | BatchReady) -> bool:
        """Work on one message, then send what the credits allow; True where the next pass has to be waited for."""
        if not isinstance(message, BatchReady):
            self.core.receive(message)
        self._fill()
        return self.core.between_passes

    def on_timer(self, now: float) -> float:
        """Look at the clock, then send what the credits allow."""
        self._guarded(lambda: self.core.on_timer(now))
        self._fill()
        seconds = self._guarded(lambda: self.core.on_timer(now))
        return _LATER if seconds is None else seconds

    def stop(self) -> None:
        """Tell the gates, let go of the data."""
        self.core.stop()
        if self.feed is not None:
            self.feed.close(timeout=1.0)

    def _fill(self) -> None:
        self._guarded(self._draw)
        seen = (self.core.state, self.core.in_flight == 0, self.tried)
        if seen != self._known:
            self._known = seen
            self._changed()

    def _guarded(self, function: Callable[[], float | None]) -> float | None:
        """Whatever goes wrong is the sentinel's error, and its thread goes on to tell it."""
        try:
            return function()
        except AkkordeonError as error:
            self.core.fail(error)
        except BaseException as error:  # a user's SystemExit is one
            logger.exception("sentinel %r", self.core.name)
            self.core.fail(SentinelError(f"sentinel {self.core.name!r} broke: {error!r}: see the log of its worker"))
        return None

    def _draw(self) -> None:
        core = self.core
        while self.feed is not None and core.can_draw():
            assert core.drawing is not None
            drawn = self._drawn(self.feed, *core.drawing)
            if drawn is NoBatch.PENDING:
                return
            if drawn is NoBatch.END:
                core.exhausted()
                continue
            self._look_at(drawn)
            self.tried = True
            core.submit_batch(*drawn)
        self.tried = self.tried or self.feed is not None

    def _look_at(self, batch: Batch) -> None:
        """Check a batch, where it differs in form from the one before."""
        x, y = batch
        form = x.shape[1:], x.dtype, y is None
        if form != self._form:
            self._check(batch)
            self._form = form

    def _drawn(self, feed: BatchReader, pass_number: int, epoch: int) -> Drawn:
        try:
            return feed.draw(pass_number, epoch)
        except AkkordeonError:
            raise
        except BaseException as error:
            core = self.core
            text = f"sentinel {core.name!r}: {core.sentinel.provider!r} raised {error!r}: mend the provider"
            raise SentinelError(text) from error
