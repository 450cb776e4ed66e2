"""Exceptions of users' code, told as theirs wherever they are raised."""

import asyncio
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["as_plain_error", "format_exception", "plain_errors"]


def format_exception(error: BaseException) -> str:
    """An exception as text, with its notes, and the line that raised it where that is known.

    Examples
    --------
    >>> format_exception(SystemExit(3))
    'SystemExit: 3'
    """
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # of its own `__str__`
        text = type(error).__name__
    text = "; ".join((text, *getattr(error, "__notes__", ())))
    frames = traceback.extract_tb(error.__traceback__)
    return f"{text} (raised in {frames[-1].name}, {frames[-1].filename}:{frames[-1].lineno})" if frames else text


def as_plain_error(error: BaseException) -> Exception:
    """The error itself, or a RuntimeError with its text where asyncio would take it for something else.

    SystemExit and KeyboardInterrupt end an event loop, a CancelledError cancels whoever waits, GeneratorExit and
    StopIteration end a coroutine. Raised by a user's code, they are errors of that code.
    """
    if isinstance(error, Exception) and not isinstance(error, StopIteration | StopAsyncIteration):
        return error
    plain = RuntimeError(format_exception(error))
    plain.__cause__ = error
    return plain


@contextmanager
def plain_errors() -> Iterator[None]:
    """Make each error of a user's code an ordinary one, as `as_plain_error` does.

    The end of the coroutine that runs here, cancelled or closed, stays what it is.
    """
    try:
        yield
    except BaseException as error:
        if _ends_coroutine(error):
            raise
        caught = error
    else:
        return
    raise as_plain_error(caught)


def _ends_coroutine(error: BaseException) -> bool:
    if not isinstance(error, asyncio.CancelledError | GeneratorExit):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:  # nothing runs here any more
        return True
    return task is not None and task.cancelling() > 0
