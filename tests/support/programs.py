"""Programs run as a user runs them: in processes of their own, with a deadline, and never left over."""

import os
import random
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from distributed import Client

from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.workers import workers_now

LINE = re.compile(
    r"^(?P<sentinel>\S+) +epoch: +(?P<epoch>\d+) loss: +(?P<loss>\S+) "
    r"duration: +(?P<milliseconds>\d+\.\d\d)ms scores: \((?P<scores>[^)]*)\)$",
    re.MULTILINE,
)
"""A pass, as the console writes it."""


class Cluster:
    """A scheduler and its workers, each in its process."""

    def __init__(self, address: str, workers: dict[str, str]) -> None:
        self.address = address
        self.workers = workers
        """The workers' addresses by their names."""


def free_port() -> int:
    """A port of this machine that nobody listens on, and that no connection gets by itself (`ip_local_port_range`)."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_768)
        with socket.socket() as there, suppress(OSError):
            there.bind(("127.0.0.1", port))
            return port


def environment(**more: str) -> dict[str, str]:
    """This process's environment without the debug mode, which adds tracebacks, and with a free dashboard's port."""
    kept = {name: value for name, value in os.environ.items() if name != "AKKORDEON_DEBUG"}
    return kept | {"DASK_AKKORDEON__EMBEDDED__DASHBOARD_ADDRESS": "127.0.0.1:0"} | more


def run(*args: object, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run Python with these arguments, and give what it said; `more` goes into its environment."""
    command = [sys.executable, *map(str, args)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, env=environment(**more), check=False
    )


@contextmanager
def started(*args: object, **more: str) -> Iterator["subprocess.Popen[str]"]:
    """Python with these arguments, its output in pipes, in a process group of its own; killed if it is still there.

    `more` goes into its environment.
    """
    command = [sys.executable, *map(str, args)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**more),
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def running_cluster(
    folder: Path,
    dashboard: str | None = None,
    names: tuple[str, ...] = ("alice", "bob"),
    *,
    address: str = "127.0.0.1",
) -> Iterator[Cluster]:
    """`dask scheduler`, and `dask worker` for each name, on an address of the loopback interface."""
    page = ("--dashboard-address", dashboard) if dashboard else ("--no-dashboard",)
    told = folder / "scheduler.json"
    host = ("--host", address)
    with ExitStack() as stack:
        dask = ("scheduler", *host, "--port", "0", *page, "--scheduler-file", str(told))
        stack.enter_context(_service(folder, "scheduler", dask))
        wait_until(lambda: told.is_file() and told.stat().st_size > 0)
        for name in names:
            options = ("--name", name, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--scheduler-file", str(told))
            stack.enter_context(_service(folder, name, ("worker", *host, *options)))
        with Client(scheduler_file=str(told), timeout=PATIENCE) as client:
            client.wait_for_workers(len(names), timeout=PATIENCE)
            workers = {worker["name"]: address for address, worker in workers_now(client).items()}
            scheduler = client.scheduler.address
        yield Cluster(scheduler, workers)


@contextmanager
def _service(folder: Path, name: str, dask: tuple[str, ...]) -> Iterator[None]:
    """A process whose output goes to a file: nobody reads it while it runs, and a pipe would fill."""
    with (
        (folder / f"{name}.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(
            [sys.executable, "-m", "dask", *dask], stdout=log, stderr=subprocess.STDOUT, env=environment(), cwd=folder
        ) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
