"""The number of files and connections that this process may have open at one time."""

import contextlib
import os

try:
    import resource
except ImportError:  # on Windows there is no such limit
    resource = None  # type: ignore[assignment]

__all__ = ["describe_shortage", "raise_limit"]

_RESERVE = 32
"""Open files beside those that somebody has counted."""


def raise_limit() -> None:
    """Raise the soft limit to the hard one, where that is allowed; for programs of this package alone.

    A library leaves the limits of its user's process as they are.
    """
    if resource is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(ValueError, OSError):  # some systems call the hard limit infinite and refuse that
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def describe_shortage(more: int) -> str | None:
    """A sentence on the limit and its remedy where it leaves no room for so many `more`; None where it does."""
    if resource is None:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_now = _count()
    if soft == resource.RLIM_INFINITY or open_now + more + _RESERVE <= soft:
        return None
    return (
        f"{open_now} files and connections are open in this process, about {more} more are needed, and it may have "
        f"{soft}: raise that by `ulimit -n` before it starts (the hard limit is {hard})"
    )


def _count() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return len(os.listdir(folder))
    return 0
