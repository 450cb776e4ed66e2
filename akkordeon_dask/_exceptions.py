"""Exceptions of users' code, told as theirs wherever they are raised."""

import asyncio
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from akkordeon_dask import errors
from akkordeon_dask.errors import AkkordeonError, CheckpointError, DataError, SpecError

__all__ = ["as_data_error", "as_plain_error", "format_exception", "plain_errors", "quote_exception", "sendable"]

_LONGEST = 4000
"""Characters of a text that a user's code makes: it travels in messages and events, and is shown on terminals."""


def sendable(text: str) -> str:
    """A text that every message can carry: long ones are cut, and lone surrogates, as in names of files, are escaped.

    Examples
    --------
    >>> sendable("a \\udcff b")
    'a \\\\udcff b'
    """
    cut = text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"
    return cut.encode("utf-8", "backslashreplace").decode("utf-8")


def quote_exception(error: BaseException) -> str:
    """An exception as Python writes it.

    Examples
    --------
    >>> quote_exception(ValueError("v"))
    "ValueError('v')"
    """
    try:
        return sendable(repr(error))
    except Exception:  # of its own `__repr__`
        return f"{type(error).__name__}()"


def format_exception(error: BaseException) -> str:
    """An exception as text, with its notes, and the line that raised it where that is known.

    Examples
    --------
    >>> format_exception(SystemExit(3))
    'SystemExit: 3'
    """
    name, text = type(error).__name__, _own_text(error)
    text = _with_notes(name if text is None else f"{name}: {text}", error)
    frames = traceback.extract_tb(error.__traceback__)
    at = f" (raised in {frames[-1].name}, {frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return text + sendable(at)


def as_data_error(error: BaseException) -> AkkordeonError | None:
    """A new error for one by which a user's code speaks of data, specs or files; None for any other.

    Those of a network that the code itself trains or asks say nothing of this one. Classes of the user's own become
    those of this package that they derive from: they may not pickle.
    """
    if not isinstance(error, DataError | SpecError | CheckpointError):
        return None
    kind = next(one for one in type(error).__mro__ if one.__module__ == errors.__name__)
    text = _own_text(error)
    made: AkkordeonError = kind(_with_notes(type(error).__name__ if text is None else text, error))
    return made


def _own_text(error: BaseException) -> str | None:
    """What an exception says; None where its own `__str__` fails."""
    try:
        return str(error)
    except Exception:
        return None


def _with_notes(text: str, error: BaseException) -> str:
    return sendable("; ".join((text, *map(str, getattr(error, "__notes__", ())))))


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
