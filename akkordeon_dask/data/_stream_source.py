"""Serves the batches of an iterable."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from akkordeon_dask.data._checked_source import BatchChecks
from akkordeon_dask.data._foreign import call_to_add, holds_no_batches
from akkordeon_dask.data._provider import Batch, Source
from akkordeon_dask.errors import DataError

__all__ = ["Batches", "StreamSource"]

Batches: TypeAlias = Iterable[Any] | Callable[[], Iterable[Any]]
"""An iterable of `(x, y)` or `(x, y, weights)`, or a function without arguments that makes one."""


class StreamSource(Source):
    """Runs through the iterable of a stream; checks each batch, and copies it the moment it is drawn.

    Parameters
    ----------
    name
        of the stream, for the errors.
    iterable
        the batches, or the function that makes them.
    copy
        False: arrays in C order and the machine's byte order are not copied.
    """

    stable = True

    samples = None
    shape = None
    dtype = None
    blocking = True

    def __init__(self, name: str, iterable: Batches, *, copy: bool) -> None:
        self._name = name
        self._checks = BatchChecks(copy=copy)
        self._iterable = iterable
        self._given = 0
        self._made: Any = None

    def batches(self, epoch: int, batch_size: int) -> Iterator[Batch]:
        """The batches of the iterable; `batch_size` is ignored."""
        return self._checked(epoch)

    def close(self) -> None:
        """End the run of an iterable that the function made."""
        made, self._made = self._made, None
        if hasattr(made, "close"):
            made.close()

    def _run(self) -> Iterator[Any]:
        thing = self._iterable
        if isinstance(thing, Iterable):
            return iter(thing)
        self.close()
        made = thing()
        if holds_no_batches(made) or not isinstance(made, Iterable):
            call = call_to_add(made)
            advice = "" if call is None else f": {call}"
            raise DataError(f"{self._name} made a {type(made).__name__}: it has to make an iterable of (x, y){advice}")
        run = iter(made)
        self._made = run
        return run

    def _checked(self, epoch: int) -> Iterator[Batch]:
        number = 0
        # Begun here and not in `batches`: to begin may take its time too.
        for number, thing in enumerate(self._run(), 1):
            self._given += 1
            batch = self._checks.check(thing, f"{self._name}, epoch {epoch}, batch {number}")
            self.columns = self._checks.names
            yield batch
        if number == 0:
            raise DataError(self._nothing(epoch))

    def _nothing(self, epoch: int) -> str:
        advice = "give a function that makes a new iterable of batches for each epoch"
        if self._given:
            return f"{self._name} gave its {self._given} batches before epoch {epoch} and has no more: {advice}"
        return f"{self._name} has no samples: epoch {epoch} gave no batch at all; {advice}"
