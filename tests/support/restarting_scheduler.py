"""A scheduler that is killed and started again on its port, with workers that end with it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from distributed import Client

from tests.support.programs import PATIENCE, environment, free_port


class Processes:
    """A scheduler on a port that it keeps, and workers, each in a process."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack, self._folder = stack, folder
        self.port = free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.start()

    def start(self, workers: int = 2) -> None:
        """Start the scheduler, and workers, which end with it."""
        self.scheduler = self._dask("scheduler", "--host", "127.0.0.1", "--port", self.port, "--no-dashboard")
        for _ in range(workers):
            self.add_worker()

    def add_worker(self) -> None:
        """Start one more."""
        self._dask("worker", self.address, "--nthreads", 1, "--no-nanny", "--no-dashboard")

    def _dask(self, *args: object) -> "subprocess.Popen[bytes]":
        log = self._stack.enter_context((self._folder / "dask.log").open("a"))
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *map(str, args)], stdout=log, stderr=log, cwd=self._folder, env=environment()
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process

    def kill(self) -> None:
        """As `kill -9` of the scheduler does."""
        self.scheduler.kill()
        self.scheduler.wait()


@contextmanager
def restarting_scheduler(folder: Path) -> Iterator[Processes]:
    """A scheduler and two workers, which it knows."""
    with ExitStack() as stack:
        processes = Processes(stack, folder)
        with Client(processes.address, timeout=PATIENCE) as client:
            client.wait_for_workers(2, timeout=PATIENCE)
        yield processes
