"""Leases: a small file beside the runs of a URL says which program writes there now.

A lease is a courtesy: the second program learns the name of the first, and the first that it was taken over. Runs are
kept apart by their folders, whatever it says. Each lease is a file whose name is its generation, and the highest
generation counts, so no clock is compared with another.
"""

import json
import logging
import shlex
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from akkordeon_dask.errors import AkkordeonError, CheckpointError
from akkordeon_dask.snapshots._files import Files
from akkordeon_dask.snapshots._manifest import now
from akkordeon_dask.snapshots._policy import SnapshotPolicy
from akkordeon_dask.snapshots._process import Process
from akkordeon_dask.snapshots._runs import base_url, split_run

__all__ = [
    "Lease",
    "SupersededError",
    "check_free",
    "check_newest",
    "newest_lease",
    "release_lease",
    "superseded_text",
    "take_lease",
]

logger = logging.getLogger(__name__)

_FOLDER, _ENDING = "leases", ".json"
_ATTEMPTS = 20
_AGAIN = 0.05
"""Seconds between two attempts to read a lease that another program is writing."""


class SupersededError(CheckpointError):
    """A later run, or a later owner of this one, has taken the snapshots over."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write below a URL, and whose it is."""

    url: str
    """Above all runs."""
    generation: int
    run: str
    """Of the network, whoever owns it."""
    network: str
    """Its name."""
    scheduler: str
    """The scheduler's process of its cluster."""
    process: Process
    """The owner's."""
    time: str
    """Of the beginning, by the clock of the owner's host: only to be read by people."""
    released: bool = False
    """The owner has ended it."""

    def __str__(self) -> str:
        return (
            f"network {self.network!r} of {self.process}, run {self.run}, generation {self.generation}, "
            f"since {self.time}"
        )


def take_lease(wanted: Lease, *, take_over: bool) -> Lease:
    """Take a lease of at least the wanted generation. Waits for files.

    On a local disk, and wherever its path is one, the file is created exclusively. Elsewhere fsspec promises no such
    thing: the file is written, and read back after a second.

    Parameters
    ----------
    take_over
        from an owner that may still write there: then that one writes no more.

    Raises
    ------
    CheckpointError
        when another owner has it; one whose process is certainly gone, on this host, has it no more.
    """
    files = _open(wanted.url)
    for _ in range(_ATTEMPTS):
        former = newest_lease(wanted.url)
        if former is not None and not former.released and not take_over:
            _check_gone(former, wanted.scheduler)
        generation = max(wanted.generation, former.generation + 1 if former is not None else 0)
        lease = replace(wanted, generation=generation, time=now())
        with _Errors(wanted.url):
            if files.create(_FOLDER, _name(generation), _content(lease)):
                if generation == max(_generations(files), default=0):
                    _remove_older(files, generation)
                    return lease
                files.remove(_FOLDER, _name(generation))  # a later owner had removed that of an earlier one
    raise CheckpointError(f"{wanted.url!r} changes its owner again and again: choose another URL")


def check_free(url: str, scheduler: str) -> None:
    """Check that nobody else writes at the URL of a run, or above all runs. Waits for files.

    Parameters
    ----------
    scheduler
        the scheduler's process of the caller's cluster.

    Raises
    ------
    CheckpointError
        when somebody does: names it.
    """
    former = newest_lease(url)
    if former is not None and not former.released:
        _check_gone(former, scheduler)


def _check_gone(former: Lease, scheduler: str) -> None:
    url = former.url
    if former.process.is_gone:
        logger.warning("%s is taken over from %s, which is gone", url, former)
    elif former.scheduler == scheduler:
        name = former.network
        raise CheckpointError(
            f"{url!r} is written by {former}, which is on this cluster: take the network over by adopt({name!r}, "
            f"client), `dask akkordeon network --adopt {shlex.quote(name)}`, or end it and resume then"
        )
    else:
        end = "that is this program, close the network" if former.process.is_this else "end that program"
        raise CheckpointError(
            f"{url!r} is written by {former}: {end}, or take over from it by take_over=True, --take-over: "
            "then it writes no more"
        )


def release_lease(lease: Lease) -> None:
    """End a lease, unless another owner has one by now. Waits for files; only logged where that fails."""
    try:
        if newest_lease(lease.url) == lease:
            _open(lease.url).write(_FOLDER, _name(lease.generation), [_content(replace(lease, released=True))])
    except Exception as error:
        logger.info("the lease of %s is not released: %r", lease.url, error)


def newest_lease(url: str) -> Lease | None:
    """The lease that counts at the URL of a run, or above all runs; None where there was never one. Waits for files.

    Raises
    ------
    CheckpointError
        when it cannot be read.
    """
    url = base_url(url)
    files = _open(url)
    for _ in range(_ATTEMPTS):
        with _Errors(url):
            generations = _generations(files)
            if not generations:
                return None
            try:
                return _parse(files.read(_FOLDER, _name(max(generations))))
            except (FileNotFoundError, ValueError, TypeError, KeyError):  # it is replaced, or being written
                time.sleep(_AGAIN)
    raise CheckpointError(f"the newest lease in '{url}/{_FOLDER}' is none: see who writes there, and remove it")


def check_newest(policy: SnapshotPolicy) -> None:
    """Check that no later run has taken over the URL that a policy's run is below. Waits for files.

    Raises
    ------
    SupersededError
        when one has.
    CheckpointError
        when the store cannot be read.
    """
    own = split_run(policy.url)
    if not policy.leased or own is None:
        return
    found = newest_lease(policy.url)
    if found is not None and found.generation > own[0] and not found.run.startswith(own[1]):
        raise SupersededError(superseded_text(policy.url, found))


def superseded_text(url: str, by: Lease) -> str:
    """The sentence about a run that was taken over."""
    return f"nothing more is written to {url!r}, which was taken over by {by}: close this network, or go on without"


class _Errors:
    """Errors of any file system become a CheckpointError."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, AkkordeonError):
            text = f"cannot use the lease of {self._url!r}: {str(error) or type(error).__name__}"
            raise CheckpointError(f"{text}: make room there, or choose another URL") from error


def _open(url: str) -> Files:
    with _Errors(url):
        return Files(url, {})


def _name(generation: int) -> str:
    return f"{generation:06d}{_ENDING}"


def _generations(files: Files) -> list[int]:
    names = (name.removesuffix(_ENDING) for name in files.names(_FOLDER) if name.endswith(_ENDING))
    return [int(name) for name in names if name.isdecimal()]


def _remove_older(files: Files, generation: int) -> None:
    for older in _generations(files):
        if older < generation:
            files.remove(_FOLDER, _name(older))


def _content(lease: Lease) -> bytes:
    return json.dumps(asdict(lease), indent=1).encode()


def _parse(content: bytes) -> Lease:
    entries = json.loads(content)
    return Lease(**{**entries, "process": Process.from_dict(entries["process"])})
