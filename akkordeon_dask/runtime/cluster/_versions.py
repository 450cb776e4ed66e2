"""Whether client, scheduler and workers have the same akkordeon_dask."""

import asyncio
import logging
import platform
import weakref
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from distributed import Client

from akkordeon_dask import config
from akkordeon_dask._version import __version__
from akkordeon_dask.errors import DeploymentError
from akkordeon_dask.runtime.cluster._queries import while_known

__all__ = ["Versions", "check_versions", "versions"]

logger = logging.getLogger(__name__)

# Texts of the error of unpickling `versions` there. Dask hands on a worker's errors as text, so there is no type.
_NONE = "No module named 'akkordeon_dask'"
_OTHER = "No module named 'akkordeon_dask.", "Can't get attribute 'versions'", "has no attribute 'versions'"
_SCHEDULER = "the scheduler"
_checked: "weakref.WeakKeyDictionary[Client, set[str]]" = weakref.WeakKeyDictionary()
"""Workers and schedulers with the same version, by client. Used on the clients' event loops: each changes its entry."""


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions that a process runs."""

    akkordeon_dask: str
    python: str
    numpy: str


def versions() -> Versions:
    """Those of this process.

    It is sent to others by its name: it has to stay here, and to take no arguments, in all versions to come.
    """
    return Versions(__version__, platform.python_version(), np.__version__)


async def check_versions(client: Client, workers: Iterable[str], *, limit: float | None = None) -> None:
    """Compare this process with the scheduler and with `workers`, each once for a client.

    Another Python 3.x or another numpy x. is a warning in the log. A process that does not answer in time passes: the
    next call to it has its own deadline.

    Parameters
    ----------
    limit
        seconds for all, by default `timeouts.connect`; workers that have yet to import the package take longer.

    Raises
    ------
    DeploymentError
        when one of them has another akkordeon_dask, or none.
    """
    assert client.scheduler is not None
    address = str(client.scheduler.address)
    if address.startswith("inproc://"):
        return
    well = _checked.setdefault(client, set())
    seconds = config.seconds("timeouts.connect") if limit is None else limit
    asked = {
        f"worker {worker}": (_within_time(_of_worker(client, worker), seconds), [worker])
        for worker in sorted(set(workers) - well)
    }
    if _SCHEDULER not in well:
        asked[_SCHEDULER] = _within_time(client.run_on_scheduler(versions), seconds), []
    answers = await while_known(client, asked)
    for process in asked:
        answer = answers.get(process)
        _compare(process, answer)
        if isinstance(answer, Versions):
            well.add(process.removeprefix("worker "))


async def _of_worker(client: Client, worker: str) -> Any:
    return (await client.run(versions, workers=[worker], on_error="return"))[worker]


async def _within_time(question: Awaitable[Any], seconds: float) -> Any:
    """The answer, or the error instead of one; None when there is none in time."""
    try:
        async with asyncio.timeout(seconds):
            return await question
    except TimeoutError:
        return None
    except Exception as error:
        return error


def _compare(process: str, answer: Any) -> None:
    mine = versions()
    if isinstance(answer, Versions):
        if answer.akkordeon_dask == mine.akkordeon_dask:
            _warn(process, answer, mine)
            return
        theirs, cure = f"akkordeon_dask {answer.akkordeon_dask}", ", or the other one here"
    elif _NONE in str(answer):
        theirs, cure = "no akkordeon_dask", ""
    elif any(sign in str(answer) for sign in _OTHER):
        theirs, cure = "a very different akkordeon_dask", ""
    else:
        logger.info("the versions of %s are not known: %r", process, answer)
        return
    raise DeploymentError(
        f"{process} has {theirs}, this process {mine.akkordeon_dask}: "
        f"install akkordeon_dask=={mine.akkordeon_dask} there{cure}"
    )


def _warn(process: str, theirs: Versions, mine: Versions) -> None:
    for label, there, here, figures in (
        ("Python", theirs.python, mine.python, 2),
        ("numpy", theirs.numpy, mine.numpy, 1),
    ):
        if there.split(".")[:figures] != here.split(".")[:figures]:
            logger.warning("%s has %s %s, this process %s: install the same on both", process, label, there, here)
