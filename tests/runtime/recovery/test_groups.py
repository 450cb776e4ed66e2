"""Workers that hold or compute partitions die, leave and join while a group trains: each row is counted once."""

import os
import signal
import threading

import dask
import pytest
from distributed import Client, LocalCluster

from akkordeon_dask import Sentinel, data, deploy
from tests.support.dask_rows import collections, counting_network, numbered, updates
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE, scaled
from tests.support.restarting_workers import events

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * PATIENCE)]

ROWS, CHUNK, EPOCHS = 6_000, 300, 3


@pytest.fixture
def workers(_debug):
    """A cluster of three worker processes, each with a nanny."""
    options = {"dashboard_address": ":0", "worker_dashboard_address": None, "silence_logs": 50}
    limits = {"akkordeon.supervision.patience": scaled(2), "akkordeon.supervision.wait": PATIENCE}
    with (
        dask.config.set(limits),
        LocalCluster(n_workers=3, threads_per_worker=1, processes=True, **options) as running,
    ):
        yield running


@pytest.fixture
def client(workers):
    with Client(workers.scheduler.address) as somebody:
        yield somebody


def train(x, y, **options):
    return Sentinel.train(data.from_dask(x, y), **{"batch_size": 8, "concurrency": 6, **options})


def in_the_middle(group, rows=ROWS // 4):
    """Wait until the group is within an epoch."""
    wait_until(lambda: group.error or ((now := group.progress) and now.samples > rows))


def exactly_once(running, history):
    """Each row was trained with once in each epoch, or is reported lost; returns the lost ones."""
    assert [one.epoch for one in history] == list(range(1, EPOCHS + 1))
    assert {one.samples + one.lost for one in history} == {ROWS}
    counts, lost = updates(running), sum(one.lost for one in history)
    assert counts.max() <= EPOCHS
    assert EPOCHS * ROWS - counts.sum() == lost
    return lost


@pytest.mark.parametrize("persisted", [False, True], ids=["computed", "persisted"])
def test_the_others_read_what_a_killed_worker_had_left(persisted, client, workers):
    x, y = collections(ROWS, CHUNK)
    if persisted:
        x, y = dask.persist(x, y)
    with deploy(counting_network(ROWS, "0", "0"), client) as running:
        there = client.run(os.getpid)
        group = running.attach(train(x, y), epochs=EPOCHS)
        assert len(group.members) == 3
        in_the_middle(group)
        killed = next(one.worker for one in group.members if one.worker not in running.placement.values())
        os.kill(there[killed], signal.SIGKILL)
        history = running.wait(timeout=PATIENCE)
        assert exactly_once(running, history) <= 8 * 6  # those in flight
        assert killed not in {one.worker for one in group.members}
        (left,) = events(client, running.name, "left")
        assert left["text"].startswith(f"{killed} is gone: others read the ")


def test_a_killed_worker_may_hold_a_gate_too(client, tmp_path):
    x, y = collections(ROWS, CHUNK)
    with deploy(counting_network(ROWS, "0", "1"), client, snapshots=str(tmp_path), snapshot_every=1) as running:
        there = client.run(os.getpid)
        group = running.attach(train(x, y), epochs=EPOCHS)
        in_the_middle(group)
        os.kill(there[running.placement["g1"]], signal.SIGKILL)
        history = running.wait(timeout=2 * PATIENCE)
        assert exactly_once(running, history) <= 8 * 6


def test_a_worker_that_joins_takes_a_share_of_the_next_epoch(client, workers):
    x, y = dask.persist(*collections(ROWS, CHUNK))
    joined = threading.Event()
    with deploy(counting_network(ROWS, "0", "0"), client) as running:
        # The second epoch waits for what it says of the first.
        running.add_callback(lambda report: joined.wait(PATIENCE))
        running.attach(Sentinel.validate(data.arrays(*numbered(8)), batch_size=8, every="epoch"))
        group = running.attach(train(x, y), epochs=EPOCHS)
        workers.scale(4)
        client.wait_for_workers(4)
        joined.set()
        history = running.wait(timeout=PATIENCE)
        assert exactly_once(running, [one for one in history if one.mode == "train"]) == 0
        newest = group.members[-1]
        assert len(group.members) == 4
        assert newest.reports.seen == EPOCHS - 1
        assert newest.reports[0].samples == ROWS // 4


def test_a_worker_that_is_retired_leaves_its_rows_to_the_others(client):
    x, y = collections(ROWS, CHUNK)
    with deploy(counting_network(ROWS, "0", "0"), client) as running:
        group = running.attach(train(x, y), epochs=EPOCHS)
        in_the_middle(group)
        leaving = next(one.worker for one in group.members if one.worker not in running.placement.values())
        running.drain(leaving)
        history = running.wait(timeout=PATIENCE)
        assert exactly_once(running, history) <= 8 * 6
        assert leaving not in {one.worker for one in group.members}


def test_rows_that_nobody_can_compute_again_are_reported_lost(client):
    rows, labels = numbered(ROWS)
    starts = range(0, ROWS, CHUNK)
    x = client.scatter([rows[start : start + CHUNK] for start in starts], hash=False)
    y = [dask.delayed(labels[start : start + CHUNK]) for start in starts]
    there = client.run(os.getpid)
    with deploy(counting_network(ROWS, "0", "0"), client) as running:
        provider = data.from_dask(list(map(dask.delayed, x)), y)
        group = running.attach(Sentinel.train(provider, batch_size=50, concurrency=6), epochs=EPOCHS)
        running.pause()
        killed = next(one.worker for one in group.members if one.worker not in running.placement.values())
        holders = client.who_has(x)
        gone = [number for number, one in enumerate(x) if holders[one.key] == (killed,)]
        os.kill(there[killed], signal.SIGKILL)
        running.resume()
        history = running.wait(timeout=PATIENCE)
        exactly_once(running, history)
        assert history[-1].lost == CHUNK * len(gone)
        counts = updates(running).reshape(-1, CHUNK)
        assert gone
        assert {number for number, rows in enumerate(counts) if (rows < EPOCHS).all()} == {*gone}
