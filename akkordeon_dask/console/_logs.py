"""Log lines above a live display."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

__all__ = ["redirected_logs"]


@contextmanager
def redirected_logs(*streams: tuple[TextIO, TextIO]) -> Iterator[None]:
    """Log handlers that write to the first of two streams write to the second one meanwhile.

    A handler, as Dask's, keeps the standard error that it was made with; its lines would be written into the bars.
    """
    turned = [(one, *pair) for one in _handlers() for pair in streams if one.stream is pair[0] is not pair[1]]
    for handler, _, meanwhile in turned:
        handler.setStream(meanwhile)
    try:
        yield
    finally:
        for handler, stream, _ in turned:
            handler.setStream(stream)


def _handlers() -> list["logging.StreamHandler[Any]"]:
    loggers = [logging.root, *list(logging.root.manager.loggerDict.values())]
    handlers = (handler for one in loggers if isinstance(one, logging.Logger) for handler in one.handlers)
    return [handler for handler in handlers if isinstance(handler, logging.StreamHandler)]
