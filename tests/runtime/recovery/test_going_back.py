"""With `supervision.recover: cut` a lost gate makes all gates and training sentinels go back together."""

import os
import signal

import dask.config
import pytest
from distributed import Client

from akkordeon_dask import Sentinel, connect, deploy
from akkordeon_dask.snapshots import SnapshotPolicy, complete_cuts
from tests.support.gate_versions import versions
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.restarting_workers import events, pair, run_folder
from tests.support.small_networks import NETWORK, SAMPLES, batches, equal, train

EPOCHS = 40


@pytest.fixture(autouse=True)
def together():
    with dask.config.set({"akkordeon.supervision.recover": "cut"}):
        yield


def positions(folder):
    """The sentinels of the newest cut; none before the first one is written."""
    cuts = complete_cuts(SnapshotPolicy(str(run_folder(folder))))
    return cuts[0].positions if cuts else {}


def kill(processes, running, gate):
    os.kill(processes.pid(running.placement[gate]), signal.SIGKILL)
    wait_until(lambda: events(processes.client, running.name, "restarted"))


def undisturbed(**options):
    with deploy(NETWORK) as running:
        running.attach(train(name="a", epochs=EPOCHS, **options))
        running.wait(timeout=PATIENCE)
        return running.parameters()


def counted(reports):
    return [report.epoch for report in reports if not report.rolled_back]


@pytest.mark.parametrize("gate", ["g0", "g1"])
def test_a_run_that_went_back_equals_one_in_which_nothing_was_lost_bit_for_bit(tmp_path, gate):
    with pair() as processes, deploy(NETWORK, processes.client, snapshots=tmp_path, snapshot_every="1s") as running:
        attached = running.attach(train(name="a", epochs=EPOCHS, concurrency=1))
        wait_until(lambda: len(attached.reports) > 3)
        kill(processes, running, gate)
        running.wait(timeout=PATIENCE)
        assert equal(running.parameters(), undisturbed(concurrency=1))
        assert {*versions(running).values()} == {EPOCHS * SAMPLES // 16}
        assert counted(attached.reports) == counted(running.history) == list(range(1, EPOCHS + 1))
        assert all(report.samples == SAMPLES and not report.lost for report in attached.reports)
        assert events(processes.client, running.name, "rolled back")


def test_with_several_clients_and_credits_every_batch_that_counts_is_in_every_gate_once(tmp_path):
    with (
        pair() as processes,
        deploy(NETWORK, processes.client, name="shared", snapshots=tmp_path, snapshot_every="1s") as running,
        Client(processes.client.scheduler.address) as client,
        connect("shared", client) as guest,
    ):
        ours = [running.attach(train(name=name, epochs=EPOCHS, concurrency=4)) for name in ("a", "b")]
        theirs = guest.attach(train(name="c", epochs=EPOCHS, concurrency=4))
        wait_until(lambda: len(positions(tmp_path)) == 3)
        kill(processes, running, "g0")
        for one in (running, guest):
            one.wait(timeout=PATIENCE)
        assert all(counted(one.reports) == list(range(1, EPOCHS + 1)) for one in (*ours, theirs))
        assert {*versions(running).values()} == {3 * EPOCHS * SAMPLES // 16}
        seen = [(report.sentinel, report.epoch) for report in running.history if not report.rolled_back]
        assert sorted(seen) == sorted((name, epoch) for name in "abc" for epoch in range(1, EPOCHS + 1))


def test_samples_of_a_stream_that_are_not_given_again_are_counted_lost(tmp_path):
    stream = Sentinel.train(batches, name="a", batch_size=16, batches_per_pass=4, epochs=EPOCHS, concurrency=2)
    with pair() as processes, deploy(NETWORK, processes.client, snapshots=tmp_path, snapshot_every="1s") as running:
        attached = running.attach(stream)
        wait_until(lambda: "a" in positions(tmp_path) and len(attached.reports) > 3)
        kill(processes, running, "g1")
        running.wait(timeout=PATIENCE)
        version = versions(running)["g0"]
    done = [report for report in attached.reports if not report.rolled_back]
    undone = sum(report.samples for report in attached.reports if report.rolled_back)
    assert [report.epoch for report in done] == list(range(1, EPOCHS + 1))
    assert sum(report.samples for report in done) == 16 * version == 64 * EPOCHS
    lost = sum(report.lost for report in done)
    assert lost % 16 == 0 and undone - 64 < lost <= undone + 64 + 2 * 16
