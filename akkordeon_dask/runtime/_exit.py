"""What a program leaves open is closed when it ends, as after an error outside of a `with`."""

import atexit
import logging
import weakref

from akkordeon_dask.runtime._running import Running

__all__ = ["close_at_exit"]

logger = logging.getLogger(__name__)

_open: "weakref.WeakSet[Running]" = weakref.WeakSet()
"""Any thread adds; the main thread takes, when no other one of the program's runs."""


def close_at_exit(running: Running) -> None:
    """Close it when the interpreter ends, if it is still there then and has no name by which others find it."""
    _open.add(running)


@atexit.register  # later than Dask's own: this comes before clusters and clients end under what runs on them
def _close() -> None:
    for running in list(_open):
        try:
            if running._ends_with_program:
                running.close()
        except Exception as error:
            logger.info("closing %r at the end of the program: %r", running, error)
