"""A worker that ends by one of Dask's own ways takes no gate with it: they move, or they restart."""

import asyncio
import dataclasses
import functools
from collections import UserList as Counter
from types import SimpleNamespace

import dask.config
import pytest
from distributed import Client, LocalCluster

from akkordeon_dask import deploy
from akkordeon_dask.errors import PlacementError, WorkerLostError
from akkordeon_dask.network import Network
from akkordeon_dask.runtime.recovery import _sentinel_placement, _sentinels
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE, scaled
from tests.support.programs import run
from tests.support.restarting_workers import events
from tests.support.small_networks import NETWORK, SAMPLES, train
from tests.support.worker_programs import LIMITS, is_gone
from tests.support.worker_programs import worker as limited_worker
from tests.support.workers import workers_now

SLOW = LIMITS | {"supervision.patience": scaled(15)}
"""No owner is silent here: a loaded machine may let one wait that long for its turn."""

LIFETIME = scaled(8)
"""Gates are deployed on a worker before it ends."""

worker = functools.partial(limited_worker, **SLOW)


@pytest.fixture(scope="module")
def scheduler(_debug):
    """A scheduler without workers."""
    options = {"dashboard_address": ":0", "host": "127.0.0.1", "silence_logs": 50}
    here = {f"akkordeon.{name}": value for name, value in SLOW.items()}
    with dask.config.set(here), LocalCluster(n_workers=0, processes=True, **options) as running:
        yield running


@pytest.fixture
def client(scheduler):
    with Client(scheduler) as running:
        yield running


def on(name):
    """Both gates ask for one worker."""
    return Network([dataclasses.replace(gate, workers=name) for gate in NETWORK.gates])


def close_gracefully(client, address):
    def begin(dask_worker):
        dask_worker.loop.add_callback(dask_worker.close_gracefully)

    client.run(begin, workers=[address])


def close(client, address):
    def begin(dask_worker):
        dask_worker.loop.add_callback(dask_worker.close)

    client.run(begin, workers=[address])


def wait_for_lifetime(client, address):
    """Its time comes by itself."""


WAYS = pytest.mark.parametrize(
    ("end", "options"),
    [
        (wait_for_lifetime, ("--lifetime", LIFETIME)),
        (wait_for_lifetime, ("--lifetime", LIFETIME, "--lifetime-restart")),
        (wait_for_lifetime, ("--lifetime", LIFETIME, "--no-nanny")),
        (close_gracefully, ()),
        (close, ("--no-nanny",)),
    ],
    ids=["lifetime", "lifetime and restart", "lifetime without a nanny", "close_gracefully", "close"],
)


def goes_on(running, attached, client, address):
    """The worker is gone, nothing of the network with it: each batch updated each gate once, each sample counts."""
    is_gone(client, address)
    assert attached.error is None
    history = running.wait(epochs=2, timeout=PATIENCE)
    assert {(report.samples, report.lost) for report in history} == {(SAMPLES, 0)}
    assert address not in {attached.worker, *running.placement.values()}
    return history


@WAYS
def test_gates_and_sentinel_move_off_a_worker_however_it_ends(client, end, options):
    with (
        worker(client, "bob"),
        worker(client, "alice", *options) as alice,
        deploy(on("alice"), client, name="endings") as running,
    ):
        attached = running.attach(train(workers="alice"))
        end(client, alice.address)
        history = goes_on(running, attached, client, alice.address)

        def repeated():
            """Updates beside one of each batch, by gate; a gate answers before it is updated."""
            return [running.statistics()[gate].version - 4 * history[-1].epoch for gate in running.placement]

        # As the sentinel moved, all its credits may have been in flight: its next incarnation sends those again.
        wait_until(lambda: all(0 <= more <= attached.sentinel.concurrency for more in repeated()), seen=repeated)
        assert not events(client, "endings", "lost", "restarted")


def test_a_sentinel_that_moves_after_the_gates_goes_where_they_are(client, monkeypatch):
    move = _sentinels._move

    async def move_last(session, attached, **options):
        while attached.worker in {gate.worker for gate in session.gates}:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        await move(session, attached, **options)

    monkeypatch.setattr(_sentinels, "_move", move_last)
    with (
        dask.config.set({"akkordeon.supervision.wait": scaled(1)}),
        worker(client, "bob"),
        worker(client, "alice") as alice,
        deploy(on("alice"), client) as running,
    ):
        attached = running.attach(train(workers="alice"))
        close_gracefully(client, alice.address)
        goes_on(running, attached, client, alice.address)
        with pytest.raises(PlacementError, match="asks for worker 'alice', the cluster has bob"):
            running.attach(train(workers="alice"))


def test_a_worker_that_came_back_and_is_lost_is_none_that_leaves():
    session = SimpleNamespace(worker_names={"tcp://a:1": "alice", "tcp://b:1": "bob"}, draining_workers={"tcp://a:1"})
    assert _sentinel_placement._is_leaving("alice", session, [])
    assert not _sentinel_placement._is_leaving("bob", session, [])
    session.worker_names["tcp://a:2"] = "alice"
    assert not _sentinel_placement._is_leaving("alice", session, [])


def test_after_its_lifetime_a_worker_is_restarted_where_it_is_asked_for(client):
    options = ("--lifetime", LIFETIME, "--lifetime-restart")
    with worker(client, "bob"), worker(client, "alice", *options) as alice, deploy(on("alice"), client) as running:
        attached = running.attach(train())
        goes_on(running, attached, client, alice.address)
        wait_until(lambda: "alice" in {one["name"] for one in workers_now(client).values()})


@pytest.mark.usefixtures("_debug")
def test_a_scaled_down_cluster_keeps_the_gates():
    options = {"processes": False, "dashboard_address": ":0", "threads_per_worker": 1}
    with LocalCluster(n_workers=2, **options) as cluster, Client(cluster) as client, deploy(on("1"), client) as running:
        attached = running.attach(train())
        leaving = cluster.workers[1].address
        cluster.scale(1)
        goes_on(running, attached, client, leaving)


@pytest.mark.usefixtures("_debug")
def test_a_cluster_that_adapts_to_one_worker_moves_all_gates_there():
    options = {"processes": False, "dashboard_address": ":0", "threads_per_worker": 1}
    with LocalCluster(n_workers=3, **options) as cluster, Client(cluster) as client:
        apart = Network([dataclasses.replace(gate, workers=str(number)) for number, gate in enumerate(NETWORK.gates)])
        with deploy(apart, client, name="adapts") as running:
            attached = running.attach(train())
            cluster.adapt(minimum=1, maximum=3, interval="100ms", wait_count=1)
            wait_until(lambda: len(workers_now(client)) == 1, seen=lambda: workers_now(client))
            history = running.wait(epochs=2, timeout=PATIENCE)
            assert {(report.samples, report.lost) for report in history} == {(SAMPLES, 0)}
            assert {attached.worker, *running.placement.values()} == {*workers_now(client)}
            assert not events(client, "adapts", "lost", "restarted")


def test_a_network_with_snapshots_survives_a_restart_of_all_workers(client, tmp_path):
    with (
        worker(client, "alice") as alice,
        deploy(on("alice"), client, snapshots=str(tmp_path), snapshot_every=5) as running,
    ):
        attached = running.attach(train())
        client.restart(timeout=PATIENCE)
        goes_on(running, attached, client, alice.address)


def test_the_error_names_the_restart(client):
    with worker(client, "alice") as alice, deploy(on("alice"), client) as running:
        client.restart(timeout=PATIENCE)
        with pytest.raises(WorkerLostError, match=f"{alice.address} .*somebody restarted the whole cluster"):
            running.wait(timeout=PATIENCE)


def retire(client, address):
    assert client.retire_workers([address]) == {}  # Dask's answer: it refuses


def drain_command(client, address):
    done = run("-m", "dask", "akkordeon", "drain", "alice", "--retire", "--scheduler", client.scheduler.address)
    assert done.stdout == f"worker alice ({address}) is drained and retired\n", done.stderr


def plugins(client):
    return client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.plugins))


@pytest.mark.parametrize("end", [retire, drain_command])
def test_a_worker_that_retires_is_drained_before(client, end):
    with worker(client, "bob"), worker(client, "alice") as alice:
        with deploy(on("alice"), client) as running:
            attached = running.attach(train())
            end(client, alice.address)
            goes_on(running, attached, client, alice.address)
            assert "akkordeon-retirement" in plugins(client)
        assert "akkordeon-retirement" not in plugins(client)


def test_a_worker_whose_gates_have_nowhere_to_go_does_not_retire(client):
    with worker(client, "alice") as alice, deploy(on("alice"), client, name="stays") as running:
        attached = running.attach(train())
        retire(client, alice.address)
        wait_until(lambda: len(events(client, "stays", "stays")) >= 2)
        with worker(client, "bob"):  # it may retire later
            wait_until(lambda: client.retire_workers([alice.address]) or alice.address not in workers_now(client))
            goes_on(running, attached, client, alice.address)


def status(client, address):
    return client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.workers[address].status.name)


def test_a_worker_that_refuses_two_retirements_at_once_accepts_tasks_and_may_retire_later(client):
    with worker(client, "alice") as alice, deploy(on("alice"), client, name="twice") as running:
        attached = running.attach(train())

        async def retire_twice():
            return await asyncio.gather(*(client.retire_workers([alice.address]) for _ in range(2)))

        assert client.sync(retire_twice) == [{}, {}]
        wait_until(lambda: len(events(client, "twice", "stays")) >= 2)
        wait_until(lambda: status(client, alice.address) == "running", seen=lambda: status(client, alice.address))
        assert client.submit(abs, -1, pure=False).result(PATIENCE) == 1
        with worker(client, "bob"):
            assert drain_command(client, alice.address) is None
            goes_on(running, attached, client, alice.address)


def test_actors_of_others_are_left_to_dask(client):
    with worker(client, "bob"), worker(client, "alice") as alice, deploy(on("bob"), client):
        kept = client.submit(Counter, actor=True, workers=[alice.address])
        kept.result()
        retire(client, alice.address)
        assert kept.result().count("a").result() == 0
        assert alice.address in workers_now(client)
