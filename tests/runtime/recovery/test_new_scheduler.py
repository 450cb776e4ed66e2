"""A scheduler that was started again knows no network: exactly one owner resumes, and strangers are told."""

import os
import signal
from contextlib import suppress

import pytest
from distributed import Client

from akkordeon_dask import adopt, deploy
from akkordeon_dask.errors import NameConflictError
from akkordeon_dask.runtime import networks
from akkordeon_dask.runtime._registry import get
from tests.support.leftovers import wait_until
from tests.support.programs import PATIENCE, started
from tests.support.restarting_scheduler import restarting_scheduler
from tests.support.small_networks import NETWORK, SAMPLES, train


@pytest.fixture
def processes(tmp_path):
    with restarting_scheduler(tmp_path) as found:
        yield found


def entry(client, name):
    return client.sync(get, client, name)


def published(client, name):
    """The entry, once the scheduler is there and has one."""
    found = []

    def known():
        with suppress(OSError):
            found.append(entry(client, name))
        return bool(found and found[-1])

    wait_until(known)
    return found[-1]


def lines_until(process, wanted):
    """The first line of a program that is wanted."""
    for line in process.stdout:
        if wanted(line):
            return line
    raise AssertionError(process.stderr.read())


@pytest.mark.parametrize("wakes", ["before", "after"])
def test_of_two_owners_of_a_run_the_first_resumes_it_on_the_new_scheduler_and_the_other_follows(
    processes, tmp_path, wakes
):
    name, url = "raced", str(tmp_path / "snapshots")
    with started("-m", "tests.support.racing_owner", processes.address, name, url) as first:
        lines_until(first, lambda line: line == "owner True\n")
        with Client(processes.address, timeout=3 * PATIENCE) as client:
            wait_until(lambda: networks(client) == [name])
            os.kill(first.pid, signal.SIGSTOP)
            with adopt(name, client) as second:
                run = entry(client, name).run
                trains = second.attach(train(name="second", epochs=10**6))
                wait_until(lambda: len(trains.reports) > 2)
                processes.kill()
                if wakes == "before":
                    os.kill(first.pid, signal.SIGCONT)
                processes.start()
                now = published(client, name)
                before = len(trains.reports)
                wait_until(lambda: len(trains.reports) > before + 2)
                os.kill(first.pid, signal.SIGCONT)
                assert now.run == run and now.generation > 2
                role = "follower" if now.owner == client.id else "owner"
                wait_until(lambda: second.owner == (role == "follower"))
                assert lines_until(first, lambda line: line.startswith((role, "Closed"))) == f"{role} True\n"
                assert {(one.samples, one.lost) for one in trains.reports} == {(SAMPLES, 0)}
                assert entry(client, name).owner == now.owner


def test_a_stranger_who_deploys_the_name_on_the_new_scheduler_is_told_about_the_run(processes, tmp_path):
    name = "told"
    with (
        Client(processes.address, timeout=3 * PATIENCE) as client,
        deploy(NETWORK, client, name=name, snapshots=str(tmp_path / "snapshots"), snapshot_every=20) as running,
    ):
        trains = running.attach(train(name="one", epochs=10**6))
        wait_until(lambda: len(trains.reports) > 2)
        run = entry(client, name).run
        processes.kill()
        processes.start(workers=0)
        now = published(client, name)
        assert now.run == run
        told = f"run {run[:12]} of client {client.id} has no gate now: its owner restarts them.*stop"
        with Client(processes.address, timeout=3 * PATIENCE) as stranger, pytest.raises(NameConflictError, match=told):
            deploy(NETWORK, stranger, name=name)
        processes.add_worker()
        before = len(trains.reports)
        wait_until(lambda: len(trains.reports) > before + 2)
        assert {(one.samples, one.lost) for one in trains.reports} == {(SAMPLES, 0)}
