"""Gates and sentinels whose workers die or stop are restarted, and resume where they were."""

import dataclasses
import logging
import os
import re
import signal
from contextlib import contextmanager

import dask.config
import pytest
from distributed import LocalCluster

from akkordeon_dask.errors import TrainingError, WorkerLostError
from akkordeon_dask.messages import TOPIC
from akkordeon_dask.network import Beside, Network
from akkordeon_dask.runtime import live
from tests.support.gate_versions import versions
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE, scaled
from tests.support.restarting_workers import events, run_folder
from tests.support.small_networks import NETWORK, SAMPLES, equal, train
from tests.support.sync_and_async_client import AsynchronousUser, SynchronousUser

pytestmark = pytest.mark.slow

KEPT = {"snapshot_every": 1}
LONG = 4000
"""Batches of a pass that lasts for seconds."""


@pytest.fixture(scope="module")
def workers(_debug):
    """A cluster of three workers in processes of their own, each with a nanny."""
    options = {"dashboard_address": ":0", "worker_dashboard_address": None, "silence_logs": 50}
    with LocalCluster(n_workers=3, threads_per_worker=1, processes=True, **options) as running:
        yield running


@pytest.fixture(scope="module", params=[SynchronousUser, AsynchronousUser], ids=["sync", "async"])
def anybody(request, workers):
    with request.param(workers.scheduler.address) as somebody:
        yield somebody


@pytest.fixture(autouse=True)
def _impatient():
    with dask.config.set({"akkordeon.supervision.patience": scaled(2), "akkordeon.supervision.wait": PATIENCE}):
        yield


@pytest.fixture
def there(workers, anybody):
    """The processes of the three workers, by address, once they are all there."""
    wait_until(lambda: len(workers.scheduler.workers) == 3)
    return anybody.call(anybody.client.run, os.getpid)


@contextmanager
def stopped(pid):
    """A worker that does nothing for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def kill(running, there, gate):
    """Kill the worker of a gate, and wait until the gate has another one."""
    lost = running.placement[gate]
    os.kill(there[lost], signal.SIGKILL)
    wait_until(lambda: running.placement[gate] != lost)


def complete(attached):
    """The passes of a sentinel account for every sample, and none is missing or reported twice."""
    passes = [(report.epoch, report.samples + report.lost) for report in attached.reports]
    assert passes == [(epoch, SAMPLES) for epoch in range(1, len(passes) + 1)]
    return len(passes)


def train_on(attached, more=3):
    """Wait until so many more passes are done."""
    enough = len(attached.reports) + more
    wait_until(lambda: len(attached.reports) >= enough or attached.error, seen=lambda: attached)
    assert attached.error is None


def test_a_lost_gate_resumes_from_its_newest_snapshot(anybody, there, tmp_path):
    with anybody.deploy(NETWORK, snapshots=str(tmp_path), snapshot_every=10**6) as running:
        attached = running.attach(train(workers=running.placement["g0"]))
        running.wait(epochs=3, timeout=PATIENCE)
        kept, known = running.snapshot(), running.parameters()
        done = len(attached.reports)
        assert kept == versions(running) == {"g0": 4 * done, "g1": 4 * done}
        kill(running, there, "g1")
        assert versions(running) == kept
        assert all(equal(known[gate], new) for gate, new in running.parameters().items())
        running.wait(epochs=2, timeout=PATIENCE)
        assert versions(running) == {"g0": 4 * (done + 2), "g1": 4 * (done + 2)}
        assert complete(attached) == done + 2


def test_a_restarted_gate_says_how_many_updates_it_lost(anybody, there, tmp_path):
    apart = Network([dataclasses.replace(gate, workers=name) for gate, name in zip(NETWORK.gates, "01", strict=True)])
    with anybody.deploy(apart, snapshots=str(tmp_path), snapshot_every=10**6) as running:
        running.attach(train(workers=running.placement["g0"]))
        running.wait(epochs=1, timeout=PATIENCE)
        for lost in (8, 4):
            kept = running.snapshot()["g1"]
            running.wait(epochs=lost // 4, timeout=PATIENCE)
            kill(running, anybody.call(anybody.client.run, os.getpid), "g1")
            wait_until(
                lambda said=f" with update {kept}, about {lost} updates of it are lost": any(
                    said in one["text"] for one in events(anybody.client, running.name, "restarted")
                )
            )


def test_of_gates_that_are_lost_together_it_is_said_what_their_heartbeats_had_told(anybody, there, tmp_path):
    front, back = NETWORK.gates
    together = Network([front, dataclasses.replace(back, workers=Beside("g0"))])
    with anybody.deploy(together, snapshots=str(tmp_path), snapshot_every=10**6) as running:
        (beside, *_) = there.keys() - {*running.placement.values()}
        running.attach(train(workers=beside))
        running.wait(epochs=1, timeout=PATIENCE)
        kept = running.snapshot()
        running.wait(epochs=2, timeout=PATIENCE)

        def told():
            found = anybody.call(live, anybody.client, running.name)
            return {gate.name: gate.version for gate in found.gates}

        wait_until(lambda: told() == versions(running) == {gate: kept[gate] + 8 for gate in kept}, seen=told)
        kill(running, there, "g0")

        def texts():
            return [one["text"] for one in events(anybody.client, running.name, "restarted")]

        wait_until(lambda: len(texts()) == 2, seen=texts)
        number = kept["g0"]
        assert all(f" with update {number}, at least 8 updates of it are lost" in text for text in texts())


def test_a_lost_sentinel_resumes_the_pass_that_it_had_not_finished(anybody, there, tmp_path):
    with anybody.deploy(NETWORK, snapshots=str(tmp_path), **KEPT) as running:
        (beside,) = there.keys() - {*running.placement.values()}
        attached = running.attach(train(workers=beside))
        train_on(attached)
        os.kill(there[beside], signal.SIGKILL)
        wait_until(lambda: attached.worker != beside)
        train_on(attached)
        running.wait(epochs=2, timeout=PATIENCE)
        complete(attached)


def test_a_lost_sentinel_resumes_in_the_middle_of_its_pass(anybody, there, tmp_path):
    with anybody.deploy(NETWORK, snapshots=str(tmp_path)) as running:
        (beside,) = there.keys() - {*running.placement.values()}
        attached = running.attach(train(samples=16 * LONG, workers=beside, epochs=1))
        wait_until(lambda: attached.position.passes and attached.position.passes[0].floor > 50)
        reported = attached.position
        os.kill(there[beside], signal.SIGKILL)
        wait_until(lambda: attached.worker != beside)
        (report,) = running.wait(timeout=PATIENCE)
        assert (report.epoch, report.samples) == (1, 16 * LONG)
        events = [event for _, event in anybody.call(anybody.client.get_events, TOPIC)]
        goes_on = [one["text"] for one in events if (one["network"], one["event"]) == (running.name, "restarted")][-1]
        (batch,) = re.findall(r"in pass 1 after (\d+) batches", goes_on)
        assert reported.passes[0].finished <= int(batch) < LONG


def test_a_gate_and_the_sentinel_beside_it_are_lost_together(anybody, there, tmp_path):
    with anybody.deploy(NETWORK, snapshots=str(tmp_path), **KEPT) as running:
        attached = running.attach(train())
        train_on(attached)
        kill(running, there, "g0")
        train_on(attached)
        running.wait(epochs=2, timeout=PATIENCE)
        complete(attached)


def test_a_gate_is_lost_while_another_one_is_restarted(anybody, there, tmp_path):
    with anybody.deploy(NETWORK, snapshots=str(tmp_path), **KEPT) as running:
        before = running.placement
        (beside,) = there.keys() - {*before.values()}
        attached = running.attach(train(workers=beside))
        train_on(attached)
        with stopped(there[before["g0"]]):
            kill(running, there, "g1")
            wait_until(lambda: running.placement["g0"] != before["g0"])
            train_on(attached)
        running.wait(epochs=2, timeout=PATIENCE)
        complete(attached)


def test_a_sentinel_that_slept_while_a_gate_was_restarted_is_rewired_when_it_wakes(anybody, there, tmp_path):
    with anybody.deploy(NETWORK, snapshots=str(tmp_path), **KEPT) as running:
        (beside,) = there.keys() - {*running.placement.values()}
        attached = running.attach(train(workers=beside))
        train_on(attached)
        with stopped(there[beside]):
            kill(running, there, "g1")
        train_on(attached)
        assert attached.worker == beside
        running.wait(epochs=2, timeout=PATIENCE)
        complete(attached)


def test_a_guest_follows_the_gates_that_the_owner_restarts(anybody, there, workers, tmp_path):
    with (
        SynchronousUser(workers.scheduler.address) as other,
        anybody.deploy(NETWORK, name="shared", snapshots=str(tmp_path), **KEPT) as running,
        other.connect("shared") as guest,
    ):
        attached = guest.attach(train())
        train_on(attached)
        kill(running, there, "g0")
        train_on(attached)
        wait_until(lambda: guest.placement == running.placement)
        guest.wait(epochs=2, timeout=PATIENCE)
        complete(attached)


def test_a_gate_waits_for_its_snapshots_while_they_cannot_be_read(anybody, there, tmp_path, caplog):
    caplog.set_level(logging.INFO, "akkordeon_dask.runtime")
    with anybody.deploy(NETWORK, snapshots=str(tmp_path), snapshot_every=10**6) as running:
        running.attach(train(workers=running.placement["g0"]))
        running.wait(epochs=1, timeout=PATIENCE)
        kept, folder = running.snapshot(), run_folder(tmp_path)
        (folder / "g1").rename(folder / "~g1")
        (folder / "g1").write_bytes(b"no folder")
        lost = running.placement["g1"]
        os.kill(there[lost], signal.SIGKILL)
        wait_until(lambda: "cannot read snapshots" in caplog.text)
        assert running.placement["g1"] == lost
        (folder / "g1").unlink()
        (folder / "~g1").rename(folder / "g1")
        wait_until(lambda: running.placement["g1"] != lost)
        assert versions(running) == kept


def test_too_many_losses_end_the_network_with_the_cause(anybody, there, tmp_path):
    with (
        dask.config.set({"akkordeon.supervision.restarts": 1}),
        anybody.deploy(NETWORK, snapshots=str(tmp_path), **KEPT) as running,
    ):
        running.attach(train())
        kill(running, there, "g1")
        os.kill(there[running.placement["g0"]], signal.SIGKILL)
        with pytest.raises(TrainingError, match=r"lost more than 1 times .*'g[01]' on tcp.* is gone"):
            running.wait(epochs=10**9, timeout=PATIENCE)


def test_a_network_that_keeps_no_snapshots_ends_with_its_gate(anybody, there):
    with anybody.deploy(NETWORK) as running:
        running.attach(train())
        os.kill(there[running.placement["g1"]], signal.SIGKILL)
        with pytest.raises(WorkerLostError, match="gate 'g1' on tcp"):
            running.wait(epochs=10**9, timeout=PATIENCE)


async def _end(dask_worker):
    dask_worker.loop.add_callback(dask_worker.close, nanny=False)


def test_a_gate_whose_worker_ends_by_itself_is_restarted_too(anybody, there, tmp_path):
    with anybody.deploy(NETWORK, snapshots=str(tmp_path), snapshot_every=4) as running:
        attached = running.attach(train(workers=running.placement["g0"]))
        train_on(attached)
        lost = running.placement["g1"]
        anybody.call(anybody.client.run, _end, workers=[lost])
        wait_until(lambda: running.placement["g1"] != lost)
        train_on(attached)
        complete(attached)
