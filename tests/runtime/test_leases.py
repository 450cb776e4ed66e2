"""Two networks and one folder: the second is refused or takes over, and then the first writes no more."""

import os
import signal

import pytest

from akkordeon_dask import deploy
from akkordeon_dask.errors import CheckpointError, ClosedError, DeploymentError
from akkordeon_dask.snapshots import newest_lease
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.restarting_workers import events, kept, pair, run_folder
from tests.support.small_networks import NETWORK, equal, train


@pytest.mark.parametrize("verb", ["snapshots", "resume"])
def test_a_second_program_is_told_who_writes_there(user, tmp_path, verb):
    with user.deploy(NETWORK, snapshots=tmp_path) as first:
        who = f"written by network '{first.name}' of program .*process {os.getpid()} .*which is on this cluster"
        with pytest.raises(CheckpointError, match=who):
            user.deploy(NETWORK, **{verb: tmp_path})
        assert newest_lease(str(tmp_path)).network == first.name
    assert newest_lease(str(tmp_path)).released
    user.deploy(NETWORK, resume=tmp_path).close()


def test_a_program_that_deploys_twice_is_told_to_close_its_own_network(tmp_path):
    """As a notebook does, whose cell runs again."""
    with deploy(NETWORK, snapshots=tmp_path) as first:
        told = rf"'{first.name}' of program .*: that is this program, close the network, or take over"
        with pytest.raises(CheckpointError, match=told):
            deploy(NETWORK, snapshots=tmp_path)
        first.close()
        deploy(NETWORK, resume=tmp_path).close()


def test_a_network_without_a_name_is_adopted_by_the_name_that_the_refusal_says(user, somebody, tmp_path):
    former = user.deploy(NETWORK, snapshots=str(tmp_path))
    attached = former.attach(train(name="a", epochs=3))
    former.wait(timeout=PATIENCE)
    with pytest.raises(CheckpointError, match=rf"take the network over by adopt\('{former.name}', client\)"):
        somebody.deploy(NETWORK, resume=tmp_path)
    with somebody.adopt(former.name) as running:
        assert equal(running.parameters(), former.parameters()) and attached.reports
        with pytest.raises(ClosedError, match=rf"network '{former.name}' belongs to client"):
            former.wait_closed()
        former.close()
        running.attach(train(name="b", epochs=2))
        running.wait(timeout=PATIENCE)
        end = running.parameters()
    with user.deploy(NETWORK, resume=tmp_path) as running:
        assert equal(running.parameters(), end)


def test_a_network_that_is_not_there_is_not_adopted(user):
    with pytest.raises(DeploymentError, match="no network named 'nobody' on this cluster, there is none"):
        user.adopt("nobody")


def test_a_deployment_that_fails_holds_no_lease(user, tmp_path):
    with pytest.raises(CheckpointError, match="has no snapshot of g0, g1"):
        user.deploy(NETWORK, resume=tmp_path)
    with user.deploy(NETWORK, name="first"), pytest.raises(Exception, match="a network named 'first' runs on"):
        user.deploy(NETWORK, name="first", snapshots=tmp_path)
    user.deploy(NETWORK, snapshots=tmp_path).close()


def test_a_network_that_was_taken_over_trains_on_writes_no_more_and_says_so(tmp_path):
    with deploy(NETWORK, snapshots=tmp_path, snapshot_every=1) as first:
        first.attach(train())
        first.wait(epochs=2, timeout=PATIENCE)
        folder = run_folder(tmp_path)
        with deploy(NETWORK, resume=tmp_path, take_over=True) as second:
            with pytest.warns(RuntimeWarning, match=r"nothing more is written to .*taken over by network"):
                held = trained_on(first, folder)
            assert files(folder) == held and run_folder(tmp_path) != folder
            end = second.parameters()
        assert len(events(first.client, first.name, "superseded")) == 1
    assert files(folder) == held
    with deploy(NETWORK, resume=tmp_path) as running:
        assert equal(running.parameters(), end)


def trained_on(running, folder):
    """The files of a run, once its owner knows that it was taken over; it trains on after that."""
    wait_until(lambda: events(running.client, running.name, "superseded"))
    running.wait(epochs=1, timeout=PATIENCE)
    held = files(folder)
    (attached,) = running.sentinels.values()
    running.wait(epochs=len(attached.reports) + 3, timeout=PATIENCE)
    return held


def files(folder):
    return sorted(str(path) for path in folder.rglob("*"))


def test_a_network_that_was_taken_over_restarts_no_gate(tmp_path):
    with pair() as processes, deploy(NETWORK, processes.client, snapshots=tmp_path) as first:
        first.attach(train())
        first.snapshot()
        with deploy(NETWORK, resume=tmp_path, take_over=True):
            os.kill(processes.pid(first.placement["g1"]), signal.SIGKILL)
            with pytest.raises(ClosedError, match=r"is not restarted: nothing more is written to .* taken over by"):
                first.wait(timeout=PATIENCE)


def test_who_adopts_a_network_has_its_lease(user, somebody, tmp_path):
    former = user.deploy(NETWORK, name="handed", snapshots=str(tmp_path), snapshot_every=1)
    with somebody.adopt("handed") as running:
        lease = newest_lease(str(tmp_path))
        assert (lease.network, lease.generation) == ("handed", 2)
        former.close()
        assert newest_lease(str(tmp_path)) == lease
        running.attach(train(epochs=2))
        running.wait(timeout=PATIENCE)
        running.snapshot()
        end = running.parameters()
    assert newest_lease(str(tmp_path)).released
    assert equal({gate: kept(tmp_path, gate)[1]["params"] for gate in end}, end)
