"""Plain functions as callbacks."""

import asyncio
import inspect
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import TypeAlias

from akkordeon_dask._exceptions import as_plain_error
from akkordeon_dask.callbacks._callback import Callback, Training
from akkordeon_dask.errors import SpecError
from akkordeon_dask.messages import PassReport

__all__ = ["CallbackLike", "as_callback", "as_callbacks"]

CallbackLike: TypeAlias = Callback | Callable[[PassReport], object]
"""A callback, or a plain function of a pass."""


def as_callback(callback: CallbackLike) -> Callback:
    """A callback, or a plain function of a `PassReport` made into one.

    A function is called in a thread, with one pass after the other: it may block, and use the verbs of a `Running`
    with a synchronous client. It must not wait for training to end, which waits for it: that is a SpecError.

    Parameters
    ----------
    callback
        a `Callback`, or a function of one argument, a `PassReport`, that is no coroutine.

    Raises
    ------
    SpecError
        when it is neither, or its methods are no coroutines.

    Examples
    --------
    >>> as_callback(print)
    as_callback(<built-in function print>)
    """
    if isinstance(callback, Callback):
        _check_methods(callback)
        return callback
    remedy = "write callbacks.EarlyStopping(...), or a plain function of a PassReport, e.g. print"
    if not callable(callback) or isinstance(callback, type) or inspect.iscoroutinefunction(callback):
        raise SpecError(f"{callback!r:.80} is no callback: {remedy}")
    try:
        inspect.signature(callback).bind(None)
    except TypeError as error:
        raise SpecError(f"{callback!r:.80} is no callback ({error}): {remedy}") from None
    except ValueError:  # a builtin without a signature
        pass
    return _Function(callback)


def _check_methods(callback: Callback) -> None:
    if type(callback).on_pass is Callback.on_pass:
        raise SpecError(f"{callback!r:.80} reacts to no pass: override `async def on_pass(self, report, training)`")
    for name in ("on_pass", "on_end"):
        if not inspect.iscoroutinefunction(getattr(callback, name)):
            raise SpecError(f"{callback!r:.80}: {name} is no coroutine: write `async def {name}`")


def as_callbacks(callbacks: CallbackLike | Iterable[CallbackLike] | None) -> list[Callback]:
    """A list of callbacks; a single one, and None for none, will do.

    Parameters
    ----------
    callbacks
        one that `as_callback` takes, several of them in an iterable, or None.

    Raises
    ------
    SpecError
        when one is no callback, or is there twice.

    Examples
    --------
    >>> as_callbacks(print), as_callbacks(None)
    ([as_callback(<built-in function print>)], [])
    """
    if callbacks is None:
        return []
    if isinstance(callbacks, Callback | str) or not isinstance(callbacks, Iterable):
        return [as_callback(callbacks)]
    made = [as_callback(one) for one in callbacks]
    if len({*map(id, made)}) < len(made):
        raise SpecError(f"a callback is there twice in {callbacks!r:.200}: each remembers passes of its own")
    return made


@dataclass(eq=False, repr=False)
class _Function(Callback):
    function: Callable[[PassReport], object]

    def __repr__(self) -> str:
        return f"as_callback({self.function!r})"

    async def on_pass(self, report: PassReport, training: Training) -> None:
        # In a thread that the event loop does not wait for when it ends: the function may close the loop's client.
        thread = ThreadPoolExecutor(1, "akkordeon-callback")
        try:
            call = asyncio.get_running_loop().run_in_executor(thread, copy_context().run, self._call, report)
            error = await call
        finally:
            thread.shutdown(wait=False)
        if error is not None:
            raise as_plain_error(error)

    def _call(self, report: PassReport) -> BaseException | None:
        try:
            self.function(report)
        except BaseException as error:  # asyncio takes some for something else
            return error
        return None
