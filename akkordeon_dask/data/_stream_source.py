"""Serves batches as an iterable gives them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from akkordeon_dask.data._numbers import numbers
from akkordeon_dask.data._provider import Batch, Source
from akkordeon_dask.errors import DataError

__all__ = ["NOT_BATCHES", "Batches", "StreamSource"]

Batches: TypeAlias = Iterable[Any] | Callable[[], Iterable[Any]]
"""An iterable of `(x, y)`, or a function without arguments that makes one."""

NOT_BATCHES = (str, bytes, bytearray, Mapping, np.ndarray)
"""Iterables that are surely a mistake."""


class StreamSource(Source):
    """Runs through the iterable of a stream and checks each batch.

    Parameters
    ----------
    name
        of the stream, for the errors.
    iterable
        the batches, or the function that makes them.
    """

    samples = None
    shape = None
    dtype = None
    blocking = True

    def __init__(self, name: str, iterable: Batches) -> None:
        self._name = name
        self._iterable = iterable
        self._given = 0
        self._made: Any = None

    def batches(self, epoch: int, batch_size: int) -> Iterator[Batch]:
        """The batches as the iterable gives them; `batch_size` is ignored."""
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
        if isinstance(made, NOT_BATCHES) or not isinstance(made, Iterable):
            raise DataError(f"{self._name} made a {type(made).__name__}: it has to make an iterable of (x, y)")
        run = iter(made)
        self._made = run
        return run

    def _checked(self, epoch: int) -> Iterator[Batch]:
        number = 0
        # Begun here and not in `batches`: to begin may take its time too.
        for number, thing in enumerate(self._run(), 1):
            self._given += 1
            yield _batch(thing, f"{self._name}, epoch {epoch}, batch {number}")
        if number == 0:
            raise DataError(self._nothing(epoch))

    def _nothing(self, epoch: int) -> str:
        advice = "give a function that makes a new iterable of batches for each epoch"
        if self._given:
            return f"{self._name} gave its {self._given} batches before epoch {epoch} and gives no more: {advice}"
        return f"{self._name} has no samples: epoch {epoch} gave no batch at all; {advice}"


def _batch(thing: Any, where: str) -> Batch:
    if not isinstance(thing, (tuple, list)) or len(thing) != 2:
        size = f" of {len(thing)}" if isinstance(thing, (tuple, list)) else ""
        raise DataError(
            f"{where}: a batch is a pair (x, y), not a {type(thing).__name__}{size}; "
            f"two whole arrays make a provider by data.arrays(x, y)"
        )
    x = numbers(f"{where}: x", thing[0])
    y = None if thing[1] is None else numbers(f"{where}: y", thing[1])
    if y is not None and len(x) != len(y):
        raise DataError(f"{where}: x has {len(x)} samples, y has {len(y)}: give one row of y for each row of x")
    if len(x) == 0:
        raise DataError(f"{where} has no samples: leave empty batches out")
    return x, y
