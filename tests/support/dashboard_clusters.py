"""Schedulers with a dashboard and their workers, each in its process, as a user starts them."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from distributed import Client

from akkordeon_dask.runtime.cluster._embedded import WORKER_ENVIRONMENT
from tests.support.dialogues import Program, dask, joined_worker
from tests.support.patience import PATIENCE

PRELOAD = ("--preload", "akkordeon_dask.preload")
"""The options of a scheduler that has the page from the start."""

_LISTENS = ("--host", "127.0.0.1", "--port", 0, "--dashboard-address", "127.0.0.1:0")
_PAGES = re.compile(r"dashboard at: +http://127\.0\.0\.1:(?P<port>\d+)/")


@dataclass(frozen=True)
class Scheduler:
    """A scheduler that runs."""

    program: Program
    address: str
    pages: str
    """Where its dashboard's addresses begin, without the last slash."""

    def url(self, page: str = "akkordeon") -> str:
        """The address of a page."""
        return f"{self.pages}/{page}"


@contextmanager
def started_scheduler(*options: object, prefix: str = "", **more: str) -> Iterator[Scheduler]:
    """`dask scheduler` on free ports; `more` goes into its environment. It ends as by Ctrl-C."""
    options = (*options, "--dashboard-prefix", prefix) if prefix else options
    with dask("scheduler", *_LISTENS, *options, **more) as program:
        port = _PAGES.search(program.line(lambda line: _PAGES.search(line) is not None))
        address = program.line(lambda line: "Scheduler at:" in line).split()[-1]
        yield Scheduler(program, address, f"http://127.0.0.1:{port['port']}{prefix}")
        program.interrupt()


@contextmanager
def started_cluster(
    *options: object, workers: tuple[str, ...] = ("alice", "bob"), prefix: str = "", **more: str
) -> Iterator[tuple[Scheduler, Client]]:
    """A scheduler, its workers, and a client of it; `more` goes into the scheduler's environment."""
    with ExitStack() as stack:
        scheduler = stack.enter_context(started_scheduler(*options, prefix=prefix, **more))
        for name in workers:
            stack.enter_context(joined_worker(scheduler.address, name, **WORKER_ENVIRONMENT))
        yield scheduler, stack.enter_context(Client(scheduler.address, timeout=PATIENCE))
