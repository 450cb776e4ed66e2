"""A network is taken over by another owner: the former one is stopped, dead, or simply replaced."""

import os
import signal
from contextlib import contextmanager

import pytest

from akkordeon_dask import adopt
from akkordeon_dask.errors import ClosedError, DeploymentError, WorkerLostError
from akkordeon_dask.runtime._registry import require
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.programs import started
from tests.support.restarting_workers import events, run_store
from tests.support.small_networks import NETWORK, SAMPLES, equal, rating, train


@contextmanager
def first_owner(processes, name, how, *snapshots):
    """Its program, and the gates' workers by name, once it trains."""
    processes.two()
    with started(
        "-m", "tests.support.replaced_owner", processes.client.scheduler.address, name, how, *snapshots
    ) as program:
        assert program.stdout.readline() == "up\n", program.stderr.read()
        entry = processes.client.sync(require, processes.client, name)
        yield program, {gate: worker for gate, worker, _ in entry.gates}


def kill_worker(processes, worker):
    os.kill(processes.pid(worker), signal.SIGKILL)


def far(folder, gate):
    """Wait until the gate's snapshots have some updates."""
    wait_until(lambda: run_store(folder).numbers(gate)[-1:] > [20])


@contextmanager
def orphan(processes, name, folder, gate):
    """A network whose owner is dead, when the gate has made some updates; yields its gates' workers by name."""
    with first_owner(processes, name, "wait", folder) as (owner, placed):
        far(folder, gate)
        owner.kill()
        owner.wait(PATIENCE)
        yield placed


def restarted_gates(processes, name):
    return [event["gate"] for event in events(processes.client, name, "restarted") if "gate" in event]


@pytest.mark.parametrize("how", ["wait", "stay"])
def test_an_owner_that_was_stopped_finds_itself_replaced_when_it_wakes(processes, tmp_path, how):
    name, client = f"replaced-{how}", processes.client
    with first_owner(processes, name, how, tmp_path) as (first, placed):
        far(tmp_path, "g1")
        os.kill(first.pid, signal.SIGSTOP)
        with adopt(name, client) as second:
            trains = second.attach(train(name="second"))
            kill_worker(processes, placed["g1"])
            wait_until(lambda: restarted_gates(processes, name))
            second.wait(epochs=3, timeout=PATIENCE)
            os.kill(first.pid, signal.SIGCONT)
            error = first.stdout.readline()
            assert f"network '{name}' belongs to client {client.id}, as its owner of generation 2 by now" in error
            assert first.stdout.readline() == "closed\n"
            assert first.wait(PATIENCE) == 0, first.stderr.read()
            second.wait(epochs=20, timeout=PATIENCE)
            assert {(report.samples, report.lost) for report in trains.reports} == {(SAMPLES, 0)}
            assert restarted_gates(processes, name) == ["g1"]
            assert [event["text"] for event in events(client, name, "adopted")] == [
                f"by client {client.id}, generation 2"
            ]
            assert not events(client, name, "closed")
        assert len(events(client, name, "closed")) == 1
    processes.two()
    processes.nothing_left()


def test_adopting_restarts_a_gate_that_was_lost_without_an_owner(processes, tmp_path):
    name = "orphan"
    with orphan(processes, name, tmp_path, "g0") as placed:
        kill_worker(processes, placed["g0"])
        kept = run_store(tmp_path).numbers("g0")[-1]
        with adopt(name, processes.client) as second:
            assert restarted_gates(processes, name) == ["g0"] and not events(processes.client, name, "no snapshot")
            statistics = second.statistics()
            assert kept <= statistics["g0"].version <= statistics["g1"].version
            second.attach(train(epochs=5))
            assert [report.samples for report in second.wait(timeout=PATIENCE, mine=True)] == [SAMPLES] * 5
            assert second.statistics()["g0"].version == statistics["g0"].version + 20
    processes.two()
    processes.nothing_left()


def test_adopting_while_a_worker_hangs_restarts_its_gate_elsewhere(processes, tmp_path):
    name = "hanging"
    with orphan(processes, name, tmp_path, "g1") as placed:
        stopped = processes.pid(placed["g1"])
        os.kill(stopped, signal.SIGSTOP)
        try:
            second = adopt(name, processes.client)
            assert restarted_gates(processes, name) == ["g1"] and second.placement["g1"] == placed["g0"]
            second.attach(train(epochs=5))
            assert [report.samples for report in second.wait(timeout=PATIENCE, mine=True)] == [SAMPLES] * 5
        finally:
            os.kill(stopped, signal.SIGCONT)
        second.close()
    processes.two()
    processes.nothing_left()


def test_without_snapshots_a_network_is_adopted_as_it_is_or_not_at_all(processes):
    name = "plain"
    with first_owner(processes, name, "wait") as (first, placed):
        first.kill()
        first.wait(PATIENCE)
        kill_worker(processes, placed["g1"])
        with pytest.raises((DeploymentError, WorkerLostError), match=f"gate 'g1' on {placed['g1']}"):
            adopt(name, processes.client)
        entry = processes.client.sync(require, processes.client, name)
        assert entry.generation == 1 and entry.owner != processes.client.id
    processes.client.unpublish_dataset(f"akkordeon/{name}")
    processes.client.unpublish_dataset(f"akkordeon-gates/{name}")
    processes.two()
    processes.nothing_left()


@pytest.mark.parametrize("same_client", [False, True])
def test_a_network_goes_from_hand_to_hand_while_it_trains(user, somebody, nothing_left, same_client):
    former = (user if same_client else somebody).deploy(NETWORK, name="handed", seed=7)
    first = former.attach(train(name="first"))
    with user.adopt("handed") as running:
        assert running.owner and running.network == NETWORK
        with pytest.raises(ClosedError, match=r"belongs to client .* generation 2 by now, not to generation 1"):
            former.wait(epochs=10**9, timeout=PATIENCE)
        with pytest.raises(ClosedError, match="belongs to client"):
            former.move("g0", "1")
        assert {(report.samples, report.lost) for report in first.reports} == {(SAMPLES, 0)}
        former.close()
        second = running.attach(train(name="second", epochs=3))
        assert [report.samples for report in running.wait(timeout=PATIENCE, mine=True)] == [SAMPLES] * 3
        assert second.state == "resting"
        before = running.parameters()
        running.move("g1", "0" if running.placement["g1"] == workers_by_name(user)["1"] else "1")
        assert equal(running.parameters(), before)
        with user.connect("handed") as guest:
            assert guest.evaluate(rating()).samples == SAMPLES
    nothing_left()


def workers_by_name(user):
    identity = user.call(user.client.sync, user.client.scheduler.identity, n_workers=-1)
    return {str(worker["name"]): address for address, worker in identity["workers"].items()}
