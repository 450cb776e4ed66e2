"""The reader of a sentinel's batches: in its own thread, or in one of the reader's."""

import enum
import logging
import queue
import threading
from collections.abc import Callable, Iterator

from akkordeon_dask._exceptions import as_data_error, quote_exception
from akkordeon_dask.data import Batch, Provider, Source
from akkordeon_dask.errors import AkkordeonError, SentinelError

__all__ = ["BatchReader", "NoBatch", "make_batch_reader", "provider_error"]

logger = logging.getLogger(__name__)

_DAEMON = "daemonic processes are not allowed to have children"
_WITHOUT_CHILDREN = (
    "a worker below a nanny starts no processes of its own: give a DataLoader num_workers=0, or start the workers with "
    "distributed.worker.daemon: false in Dask's configuration"
)


class NoBatch(enum.Enum):
    """The reason why there is no batch."""

    END = "the pass has no more batches"
    PENDING = "the next batch is being drawn; the sentinel is woken when it is there"


class BatchReader:
    """Draws batches in a turn of the sentinel."""

    def __init__(self, source: Source, batch_size: int, *, endless_passes: bool) -> None:
        self.samples = source.samples
        """Samples in one epoch; None: unknown."""
        self._source, self._batch_size = source, batch_size
        self._endless = endless_passes
        self._iterator: Iterator[Batch] | None = None
        self._pass = 0

    def draw(self, pass_number: int, epoch: int) -> Batch | NoBatch:
        """The next batch of a pass. Raises what the source raises."""
        if self._iterator is None or (pass_number != self._pass and not self._endless):
            self._iterator = self._source.batches(epoch, self._batch_size)
        fresh, self._pass = pass_number != self._pass, pass_number
        batch = next(self._iterator, None)
        if batch is not None:
            return batch
        self._iterator = None
        return self.draw(pass_number, epoch) if fresh and self._endless else NoBatch.END

    def close(self, timeout: float) -> None:
        """Release the source; an error of its own is logged as one of the source."""
        try:
            self._iterator = None  # ends a generator, whose `finally` may raise
            self._source.close()
        except BaseException:
            logger.exception("%r failed to close: the sentinel ends all the same, fix the provider", self._source)


class BackgroundBatchReader(BatchReader):
    """Draws in a thread of its own, one batch per request: the source may block.

    The thread owns iterator and source, and closes them at its end; requests and batches pass through two queues.
    A source that heeds no interruption cannot be ended: its thread, a daemon, is left behind at close.
    """

    def __init__(
        self, source: Source, batch_size: int, *, endless_passes: bool, wake: Callable[[], None], name: str
    ) -> None:
        super().__init__(source, batch_size, endless_passes=endless_passes)
        self._wake = wake
        self._requests: queue.SimpleQueue[tuple[int, int] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Batch | NoBatch | BaseException] = queue.SimpleQueue()
        self._asked: tuple[int, int] | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def draw(self, pass_number: int, epoch: int) -> Batch | NoBatch:
        if self._asked is None:
            self._asked = pass_number, epoch
            self._requests.put(self._asked)
        try:
            answer = self._answers.get_nowait()
        except queue.Empty:
            return NoBatch.PENDING
        asked, self._asked = self._asked, None
        if isinstance(answer, BaseException):
            raise answer
        if asked[0] != pass_number and (answer is NoBatch.END or not self._endless):
            # The pass was restarted since the request, and so are its data.
            return self.draw(pass_number, epoch)
        return answer

    def _run(self) -> None:
        while (request := self._requests.get()) is not None:
            try:
                self._answers.put(super().draw(*request))
            except BaseException as error:
                self._answers.put(error)
            self._wake()
        super().close(timeout=0.0)

    def close(self, timeout: float) -> None:
        self._source.interrupt()
        self._requests.put(None)
        self._thread.join(timeout)


def make_batch_reader(
    source: Source, batch_size: int, *, endless_passes: bool, wake: Callable[[], None], name: str
) -> BatchReader:
    """The reader that fits the source."""
    if source.blocking:
        return BackgroundBatchReader(source, batch_size, endless_passes=endless_passes, wake=wake, name=name)
    return BatchReader(source, batch_size, endless_passes=endless_passes)


def provider_error(name: str, provider: Provider, error: BaseException) -> AkkordeonError:
    """The error of a sentinel whose provider, or its source, has raised one."""
    text = quote_exception(error)
    advice = _WITHOUT_CHILDREN if _DAEMON in text else "fix the provider"
    return as_data_error(error) or SentinelError(f"sentinel {name!r}: {provider!r} raised {text}: {advice}")
