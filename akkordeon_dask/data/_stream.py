"""Any iterable of batches as a provider."""

import functools
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import GeneratorType
from typing import Any

from akkordeon_dask.data._numbers import equal
from akkordeon_dask.data._provider import Provider, Source
from akkordeon_dask.data._stream_source import NOT_BATCHES, Batches, StreamSource
from akkordeon_dask.errors import DataError

__all__ = ["Stream", "as_provider", "stream"]


def stream(batches: Batches) -> Provider:
    """A provider of ready-made batches, endless or not.

    The batches come as they are: a `batch_size` is ignored, there is no shuffle and no shard. One
    run through the iterable is one epoch; an endless one never ends an epoch by itself. An iterator
    that can be run through once goes on in the next epoch where it was left. A batch that was
    given must not be written into again.

    Parameters
    ----------
    batches
        an iterable of `(x, y)`, x : (batch, ...), y : (batch, ...) or None, any number dtypes; or a
        function without arguments that makes such an iterable, called once in each epoch where the
        sentinel runs. It travels by pickle: a generator cannot, the function that makes it can.

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
    return Stream(batches)


def as_provider(thing: Provider | Batches) -> Provider:
    """`thing` itself where it is a provider, else the `stream` of it.

    Raises
    ------
    DataError
        where it is neither a provider, nor an iterable, nor a function: names its type.
    """
    return thing if isinstance(thing, Provider) else Stream(thing)


@dataclass(frozen=True, repr=False, eq=False)
class Stream(Provider):
    """What `data.stream` makes. Equal where the iterables are: by content for lists and tuples."""

    iterable: Batches

    def __post_init__(self) -> None:
        thing = self.iterable
        kind = type(thing).__name__
        if isinstance(thing, NOT_BATCHES) or not (isinstance(thing, Iterable) or callable(thing)):
            raise DataError(
                f"{thing!r:.80} of type {kind} is no provider: give data.mnist(...), data.arrays(x, y), an iterable "
                f"of batches (x, y), or a function without arguments that makes one"
            )
        if not isinstance(thing, Iterable) and not _takes_nothing(thing):
            raise DataError(
                f"{_said(thing)} needs arguments: give a function without any (functools.partial helps), or its result"
            )

    def open(self) -> Source:
        return StreamSource(repr(self), self.iterable)

    def __repr__(self) -> str:
        return f"{self.namespace}stream({_said(self.iterable)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Stream):
            return NotImplemented
        return _same(self.iterable, other.iterable)

    def __hash__(self) -> int:
        return hash((Stream, type(self.iterable)))

    def __getstate__(self) -> dict[str, Any]:
        if isinstance(self.iterable, GeneratorType):
            raise DataError(
                f"{self!r}: a generator cannot travel to the worker of its sentinel: "
                f"give the function that makes it, data.stream({self.iterable.__name__})"
            )
        return dict(self.__dict__)


def _takes_nothing(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind()
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature: the call will tell
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
    size = f" of {len(thing)}" if hasattr(thing, "__len__") else ""
    return f"<{type(thing).__name__}{size}>"
