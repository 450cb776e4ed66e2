"""A worker that gets SIGTERM lets its gates move off first, whichever of its processes gets it."""

import dataclasses
import os
import signal

import dask.config
import pytest
from dask.utils import parse_timedelta
from distributed import Client, LocalCluster

from akkordeon_dask import connect, deploy
from akkordeon_dask.errors import WorkerLostError
from akkordeon_dask.messages import TOPIC
from akkordeon_dask.network import Network
from tests.support.gate_versions import versions
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.programs import started
from tests.support.small_networks import NETWORK, SAMPLES, train
from tests.support.worker_programs import LIMITS, is_gone, worker

FOREVER = {"supervision.leave": "10m"}
"""A test that waits for so long fails."""


@pytest.fixture(scope="module")
def cluster(_debug):
    """A scheduler without workers."""
    options = {"dashboard_address": ":0", "host": "127.0.0.1", "silence_logs": 50}
    here = {f"akkordeon.{name}": value for name, value in LIMITS.items()}
    with dask.config.set(here), LocalCluster(n_workers=0, processes=True, **options) as running:
        yield running


@pytest.fixture
def client(cluster):
    with Client(cluster) as running:
        yield running


@pytest.fixture
def logged(client):
    """Events of a network, as pairs of event and gate: the scheduler itself drops old ones."""
    received = []

    def receive(event):
        _, message = event
        if message["event"] not in ("deployed", "pass", "closed"):
            received.append((message["event"], message.get("gate")))

    client.subscribe_topic(TOPIC, receive)
    yield received
    client.unsubscribe_topic(TOPIC)


def on(name):
    """Both gates ask for one worker."""
    return Network([dataclasses.replace(gate, workers=name) for gate in NETWORK.gates])


def train_on(attached, more=3):
    enough = len(attached.reports) + more
    wait_until(lambda: len(attached.reports) >= enough or attached.error, seen=lambda: attached)
    assert attached.error is None


def by_nanny(program):
    program.process.send_signal(signal.SIGTERM)


def by_worker(program):
    os.kill(program.pid, signal.SIGTERM)


def by_group(program):
    os.killpg(program.process.pid, signal.SIGTERM)


WAYS = pytest.mark.parametrize(
    ("signalled", "options"),
    [(by_nanny, ()), (by_worker, ()), (by_group, ()), (by_nanny, ("--no-nanny",))],
    ids=["its nanny", "its process", "its group", "without a nanny"],
)


@WAYS
@pytest.mark.parametrize("kept", [False, True], ids=["no snapshots", "snapshots"])
def test_gates_move_to_the_other_worker_with_their_parameters_and_updates(
    client, logged, signalled, options, kept, tmp_path
):
    keeping = {"snapshots": str(tmp_path), "snapshot_every": 10**6} if kept else {}
    with (
        worker(client, "alice", *options, **FOREVER) as alice,
        worker(client, "bob") as bob,
        deploy(on("alice"), client, name="leaves", **keeping) as running,
        connect("leaves", client) as guest,
    ):
        attached = running.attach(train(workers="bob"))
        train_on(attached)
        assert {*running.placement.values()} == {alice.address}
        signalled(alice)
        is_gone(client, alice.address)
        if signalled is not by_worker:
            alice.ended()
        assert {*running.placement.values()} == {bob.address}
        train_on(attached)
        history = running.wait(epochs=2, timeout=PATIENCE)
        assert {(report.samples, report.lost) for report in history} == {(SAMPLES, 0)}
        assert versions(running) == dict.fromkeys(running.placement, 4 * history[-1].epoch)
        wait_until(lambda: len(logged) >= 3, seen=lambda: logged)
        assert {*logged} == {("leaving", None), ("moved", "g0"), ("moved", "g1")}
        wait_until(lambda: guest.placement == running.placement)


def test_gates_and_the_sentinel_beside_them_move_together(client):
    with (
        worker(client, "alice", **FOREVER) as alice,
        worker(client, "bob") as bob,
        deploy(on("alice"), client) as running,
    ):
        attached = running.attach(train())
        train_on(attached)
        assert {attached.worker, *running.placement.values()} == {alice.address}
        by_nanny(alice)
        alice.ended()
        assert {attached.worker, *running.placement.values()} == {bob.address}
        train_on(attached)
        history = running.wait(epochs=2, timeout=PATIENCE)
        assert [(report.epoch, report.samples, report.lost) for report in history] == [
            (epoch, SAMPLES, 0) for epoch in range(1, len(history) + 1)
        ]


@WAYS
def test_a_worker_without_another_one_ends_at_once_and_the_owner_gets_an_error(client, logged, signalled, options):
    nobody_waits = dask.config.set({"akkordeon.timeouts.control": "1h"})  # for answers of actors whose worker is gone
    with nobody_waits, worker(client, "alice", *options, **FOREVER) as alice, deploy(NETWORK, client) as running:
        running.attach(train())
        signalled(alice)
        with pytest.raises(WorkerLostError, match=alice.address):
            running.wait(epochs=10**9, timeout=PATIENCE)
        is_gone(client, alice.address)
        refused = {("leaving", None), ("stays", "g0"), ("stays", "g1")}
        wait_until(lambda: refused <= {*logged}, seen=lambda: logged)
        assert {event for event, _ in logged} == {"leaving", "stays"}


def test_gates_whose_owner_is_dead_are_not_waited_for(client):
    with worker(client, "alice", **FOREVER) as alice, worker(client, "bob"):
        with started("-m", "tests.support.owner_program", client.scheduler.address, "orphan") as owner:
            assert owner.stdout.readline() == "up\n", owner.stderr.read()
            owner.kill()
            owner.wait(timeout=PATIENCE)
        by_nanny(alice)
        alice.ended()
        patience = parse_timedelta(LIMITS["supervision.patience"])
        assert f"its owner did not poll within {patience:g} s" in alice.process.stderr.read()


def test_a_worker_that_closes_already_ends_after_a_signal(client):
    def close(dask_worker):
        dask_worker.loop.add_callback(dask_worker.close)

    with worker(client, "alice", "--no-nanny") as alice:
        with started("-m", "tests.support.owner_program", client.scheduler.address, "closing") as owner:
            assert owner.stdout.readline() == "up\n", owner.stderr.read()
            owner.kill()
            owner.wait(timeout=PATIENCE)
        client.run(close, workers=[alice.address], on_error="ignore")
        by_worker(alice)
        alice.ended()
