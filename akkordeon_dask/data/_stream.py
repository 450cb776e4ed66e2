"""Any iterable of batches as a provider."""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import GeneratorType
from typing import Any

from akkordeon_dask._foreign import instead
from akkordeon_dask._numbers import check_flag
from akkordeon_dask.data._foreign import call_to_add, holds_no_batches, is_array_like
from akkordeon_dask.data._numbers import equal
from akkordeon_dask.data._provider import Provider, Source
from akkordeon_dask.data._queue_stream import QueueStream, is_queue
from akkordeon_dask.data._stream_source import Batches, StreamSource
from akkordeon_dask.errors import DataError

__all__ = ["Stream", "as_provider", "stream"]


def stream(batches: Batches, *, copy: bool = True) -> Provider:
    """A provider of ready-made batches, endless or not.

    The batches come as they are: a `batch_size` is ignored, there is no shuffle and no shard. One
    run through the iterable is one epoch; an endless one never ends an epoch by itself. An iterator
    that can be run through once goes on in the next epoch where it was left. Each batch is copied the
    moment it is drawn: a generator may fill the same buffers again and again.

    Parameters
    ----------
    batches
        an iterable of `(x, y)` or `(x, y, weights)`, x : (batch, ...), y : (batch, ...) or None, any number dtypes,
        weights : (batch,), of the samples; or a
        function without arguments that makes such an iterable, called once in each epoch where the
        sentinel runs. It travels by pickle: a generator cannot, the function that makes it can. Or a
        `distributed.Queue` of such batches, or of futures of them; None in it ends the stream.
    copy
        False spares the copy (some 25 us for a batch of 800 kB). You promise then that nobody ever writes again into
        an array that was given: several batches are in flight at once, and gates read them long after the next one was
        drawn. Arrays that are misaligned, not in C order or in another byte order are copied still.

    Raises
    ------
    DataError
        neither an iterable nor such a function; while it runs: no batches at all, or something that is
        no batch.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import data
    >>> def readings():
    ...     yield np.zeros((32, 4)), np.zeros(32)
    >>> data.stream(readings)
    data.stream(<function readings>)
    """
    return QueueStream(batches) if is_queue(batches) else Stream(batches, copy)


def as_provider(thing: Provider | Batches) -> Provider:
    """`thing` itself where it is a provider, else the `stream` of it.

    Raises
    ------
    DataError
        where it is neither a provider, nor an iterable, nor a function: names its type.
    """
    return thing if isinstance(thing, Provider) else stream(thing)


@dataclass(frozen=True, repr=False, eq=False)
class Stream(Provider):
    """The provider that `data.stream` returns. Equal where the iterables are: by content for lists and tuples."""

    iterable: Batches
    copy: bool = True

    def __post_init__(self) -> None:
        thing = self.iterable
        object.__setattr__(self, "copy", check_flag("copy", self.copy, error=DataError))
        if holds_no_batches(thing) or not (isinstance(thing, Iterable) or callable(thing)):
            raise DataError(f"{_quoted(thing)} of type {type(thing).__name__} is no provider: {_advice(thing)}")
        if not isinstance(thing, Iterable) and not _takes_nothing(thing):
            raise DataError(
                f"{_said(thing)} needs arguments: give a function without any (functools.partial helps), or its result"
            )

    def open(self) -> Source:
        return StreamSource(repr(self), self.iterable, copy=self.copy)

    def __repr__(self) -> str:
        return f"{self.namespace}stream({_said(self.iterable)}{'' if self.copy else ', copy=False'})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Stream):
            return NotImplemented
        return self.copy == other.copy and _same(self.iterable, other.iterable)

    def __hash__(self) -> int:
        return hash((Stream, type(self.iterable), self.copy))

    def __getstate__(self) -> dict[str, Any]:
        if isinstance(self.iterable, Iterator) and (advice := instead(self.iterable)):
            raise DataError(f"{self!r}: it cannot travel to the worker of its sentinel{advice}")
        if isinstance(self.iterable, GeneratorType):
            raise DataError(
                f"{self!r}: a generator cannot travel to the worker of its sentinel: "
                f"give the function that makes it, data.stream({self.iterable.__name__})"
            )
        return dict(self.__dict__)


def _quoted(thing: Any) -> str:
    """Its repr, but of arrays and frames, which have many lines of it."""
    return "a value" if is_array_like(thing) else f"{thing!r:.80}"


def _advice(thing: Any) -> str:
    if said := instead(thing):
        return said.removeprefix(": ")
    if isinstance(getattr(thing, "provider", None), Provider):
        return "give the provider in it, sentinel.provider"
    call = call_to_add(thing)
    first = "" if call is None else f"{call}, and "
    return (
        f"{first}give data.mnist(...), data.arrays(x, y), an iterable of batches (x, y), or a function without "
        "arguments that makes one"
    )


def _takes_nothing(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind()
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature: the call fails if it has to
        return True
    return True


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, functools.partial) and isinstance(b, functools.partial):
        return equal((a.func, a.args, sorted(a.keywords.items())), (b.func, b.args, sorted(b.keywords.items())))
    return equal(a, b)


def _said(thing: Any) -> str:
    if isinstance(thing, functools.partial):
        return f"<partial of {_said(thing.func)}>"
    name = getattr(thing, "__qualname__", None)
    if name is not None:
        return f"<{type(thing).__name__} {name}>"
    try:
        size = f" of {len(thing)}"
    except Exception:  # it has none, or none that is known, as a loader of an iterable dataset
        size = ""
    return f"<{type(thing).__name__}{size}>"
