"""A gate that restarts goes where the sentinels reach it."""

import os
import signal
import sys

import cloudpickle
import pytest
from distributed import Client

from akkordeon_dask import deploy
from akkordeon_dask.actors import SentinelActor
from tests.support.leftovers import wait_until
from tests.support.programs import PATIENCE, running_cluster
from tests.support.restarting_workers import events, run_store
from tests.support.small_networks import NETWORK, SAMPLES, train


def block_the_first(dask_worker):
    """From now on a sentinel here reaches no more the first worker that it tries."""
    dask_worker.blocked = []

    async def try_links(self, peers):
        dask_worker.blocked = dask_worker.blocked or [peers[0]]
        return {peer: "no route to host" for peer in peers if peer in dask_worker.blocked}

    SentinelActor.try_links = try_links


def blocked(dask_worker):
    return dask_worker.blocked


# Workers that run elsewhere do not find this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture
def cluster(tmp_path):
    with running_cluster(tmp_path, names=("alice", "bob", "carol", "dave", "eve")) as found:
        yield found


def test_promise_12_a_gate_does_not_restart_where_a_sentinel_does_not_reach_it(cluster, tmp_path):
    with (
        Client(cluster.address, timeout=PATIENCE) as client,
        deploy(NETWORK, client, name="reached", snapshots=tmp_path / "s", snapshot_every=1) as running,
    ):
        trains = running.attach(train(name="one", epochs=10**6, workers="eve"))
        wait_until(lambda: run_store(tmp_path / "s").numbers("g1"))
        client.run(block_the_first, workers=[cluster.workers["eve"]])
        former = running.placement["g1"]
        os.kill(client.run(os.getpid)[former], signal.SIGKILL)
        wait_until(lambda: events(client, "reached", "restarted"))
        (refused,) = client.run(blocked, workers=[cluster.workers["eve"]])[cluster.workers["eve"]]
        assert running.placement["g1"] not in {refused, former}
        before = len(trains.reports)
        wait_until(lambda: len(trains.reports) > before + 2)
        assert {(one.samples, one.lost) for one in trains.reports} == {(SAMPLES, 0)}
