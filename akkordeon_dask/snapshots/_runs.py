"""Folders of runs: every run of a network writes below one of its own, so that two never mix."""

import re

from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.snapshots._store import Store

__all__ = ["base_url", "find_runs", "last_generation", "run_url", "split_run"]

_RUNS = "runs"
_NAME = re.compile(r"(\d{6,18})-([0-9a-f]{8,})")


def run_url(url: str, generation: int, run: str) -> str:
    """The URL of a new run, below a URL that is the user's.

    Parameters
    ----------
    generation
        of its first owner: above those of all runs there, so the newest run has the highest one.
    run
        hexadecimal digits that no other run has.

    Examples
    --------
    >>> run_url("/data/mnist/", 3, "9f86d081")
    '/data/mnist/runs/000003-9f86d081'
    """
    return f"{base_url(url)}/{_RUNS}/{generation:06d}-{run}"


def base_url(url: str) -> str:
    """The URL below which new runs are written: of the folder of one run, the one that it is in.

    Examples
    --------
    >>> base_url("/data/mnist/runs/000003-9f86d081")
    '/data/mnist'
    >>> base_url("/data/mnist/")
    '/data/mnist'
    """
    above, _, last = url.rstrip("/").rpartition("/")
    if _NAME.fullmatch(last) and above.endswith(f"/{_RUNS}"):
        return above.removesuffix(f"/{_RUNS}")
    return url.rstrip("/")


def split_run(url: str) -> tuple[int, str] | None:
    """The generation and the digits of a run, from its URL; None where that is of none.

    Examples
    --------
    >>> split_run("/data/mnist/runs/000003-9f86d081")
    (3, '9f86d081')
    """
    found = _NAME.fullmatch(url.rstrip("/").rpartition("/")[2])
    return (int(found[1]), found[2]) if found and base_url(url) != url.rstrip("/") else None


def last_generation(url: str) -> int:
    """The highest generation of the runs below a URL; 0 where there is none.

    Raises
    ------
    CheckpointError
        when the store cannot be read.
    """
    return max((generation for generation, _ in _runs(base_url(url))), default=0)


def find_runs(url: str) -> list[str]:
    """The URLs of the runs to resume, the newest first; where there is no folder of runs, `url` itself.

    Older releases wrote without such a folder.

    Parameters
    ----------
    url
        of one run, or above all of them.

    Raises
    ------
    CheckpointError
        when the store cannot be read, or the two newest runs are equally new: they began at the same time.
    """
    url = url.rstrip("/")
    runs = _runs(url) if base_url(url) == url else []
    newest = [name for generation, name in runs if generation == runs[-1][0]]
    if len(newest) > 1:
        both = " and ".join(f"{url}/{_RUNS}/{name}" for name in newest)
        raise CheckpointError(f"{both} are equally new, they began at the same time: resume one of them by its own URL")
    return [f"{url}/{_RUNS}/{name}" for _, name in reversed(runs)] or [url]


def _runs(url: str) -> list[tuple[int, str]]:
    """The generation and the name of each run below a URL."""
    return sorted((int(found[1]), name) for name in Store(url).folders(_RUNS) if (found := _NAME.fullmatch(name)))
