"""A machine is cut off from the scheduler for longer than all patience, and comes back: exactly one owner goes on."""

import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.leftovers import wait_until
from tests.support.machines import joined
from tests.support.patience import PATIENCE, scaled

ROOT = Path(__file__).parents[3]
PORT, NAME = 8786, "parted"
pytestmark = pytest.mark.timeout(6 * PATIENCE)
SETTINGS = {
    "DISTRIBUTED__COMM__TIMEOUTS__TCP": scaled(11),
    "DISTRIBUTED__SCHEDULER__WORKER_TTL": scaled(10),
    "AKKORDEON__SUPERVISION__PATIENCE": scaled(3),
    "AKKORDEON__BATCH__MIN_DEADLINE": scaled(0.3),
}


class Parted:
    """The scheduler and a worker in the east, an owner and another worker in the west; their folder is shared."""

    def __init__(self, stack, machines, folder):
        self.machines, self._stack, self._folder = machines, stack, folder
        self.scheduler = f"tcp://{machines.addresses['east']}:{PORT}"
        where = ("--host", machines.addresses["east"], "--no-dashboard")
        self._start("east", "scheduler", "-m", "dask", "scheduler", *where, "--port", PORT)
        for host in ("east", "west"):
            options = ("--host", machines.addresses[host], "--name", host, "--nthreads", 1, "--no-dashboard")
            worker = self._start(host, f"worker-{host}", "-m", "dask", "worker", self.scheduler, *options)
            wait_until(lambda log=worker: "Registered to" in log.log)

    def _start(self, host, name, *args):
        command = (sys.executable, *args)
        return self._stack.enter_context(self.machines.start(host, self._folder, name, *command, cwd=ROOT))

    def owner(self, host, *url):
        """Somebody who deploys the network where there is a URL, and else adopts it."""
        return self._start(host, f"owner-{host}", "-m", "tests.support.racing_owner", self.scheduler, NAME, *url)


@pytest.fixture
def parted(tmp_path, monkeypatch):
    for name, value in SETTINGS.items():
        monkeypatch.setenv(f"DASK_{name}", value)
    with ExitStack() as stack:
        yield Parted(stack, stack.enter_context(joined("east", "west")), tmp_path)


def says(process, line, more=2):
    """It says this so many times more, and ends no pass otherwise."""
    before = process.lines.count(line)
    wait_until(lambda: process.lines.count(line) >= before + more, seen=lambda: process.log)


@pytest.mark.skipif(not os.environ.get("AKKORDEON_LONG"), reason="takes as long as the other one, which has more in it")
def test_after_a_partition_the_owner_goes_on_where_nobody_took_the_network_over(parted, tmp_path):
    owner = parted.owner("west", tmp_path / "snapshots")
    says(owner, "owner True")
    with parted.machines.cut("west"):
        wait_until(lambda: "waits for it" in owner.log, seen=lambda: owner.log)
    says(owner, "owner True")
    assert set(owner.lines) == {"owner True"}


def test_after_a_partition_exactly_one_of_two_owners_goes_on(parted, tmp_path):
    first = parted.owner("west", tmp_path / "snapshots")
    says(first, "owner True")
    with parted.machines.cut("west"):
        second = parted.owner("east")
        says(second, "owner True")
        wait_until(lambda: "waits for it" in first.log, seen=lambda: first.log)
    wait_until(lambda: first.lines[-1] != "owner True", seen=lambda: first.log)
    said = first.lines[-1]
    assert said == "follower True" or said.startswith("ClosedError"), said
    says(second, "owner True")
    assert set(second.lines) == {"owner True"}
