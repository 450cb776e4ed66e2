"""Gates go from worker to worker while the network trains."""

import os
import signal
import threading

import pytest

from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim
from akkordeon_dask.actors.gate import _migration
from akkordeon_dask.errors import (
    AkkordeonError,
    CheckpointError,
    DeadlineError,
    DeploymentError,
    PlacementError,
    SpecError,
)
from akkordeon_dask.runtime.recovery._owner_policy import OwnerPolicy
from tests.support.gate_versions import versions
from tests.support.leftovers import wait_until
from tests.support.no_rates import no_rates
from tests.support.patience import PATIENCE
from tests.support.restarting_workers import events, kept, workers
from tests.support.sequential_trainer import train_sequentially
from tests.support.small_networks import NETWORK, SAMPLES, equal, numbers, rating, three_gates, train

MOVES = int(os.environ.get("AKKORDEON_MOVES", "5"))
IMAGES = data.mnist_sample("train", take=300)
BATCHES = SAMPLES // 16


def move_about(running, places, gate="g1"):
    """Move a gate to and fro while a sentinel trains; returns the pauses, and the sentinel at rest."""
    passed = threading.Semaphore(0)
    running.subscribe(lambda report: passed.release())
    trains = running.attach(train(concurrency=4))
    pauses = []
    for _ in range(MOVES):
        assert passed.acquire(timeout=PATIENCE)
        (to,) = {*places}.difference([running.placement[gate]])
        pauses.append(running.move(gate, to))
        assert running.placement[gate] == to
    running.wait(epochs=3, timeout=PATIENCE)
    return pauses, trains


def nothing_was_lost(running, trains):
    """Each sample of each pass counts once, and no gate was updated twice with a batch."""
    assert {(report.samples, report.lost) for report in trains.reports} == {(SAMPLES, 0)}
    updates = BATCHES * len(trains.reports)
    assert versions(running) == dict.fromkeys(running.placement, updates)


def test_nothing_is_lost_while_a_gate_moves(user, cluster, nothing_left):
    with user.deploy(NETWORK) as running:
        pauses, trains = move_about(running, workers(cluster))
        nothing_was_lost(running, trains)
        moved = events(cluster.scheduler, running.name, "moved")
    assert len(pauses) == MOVES and all(0 < pause < PATIENCE for pause in pauses)
    assert [event["gate"] for event in moved] == ["g1"] * MOVES and " ms without it" in moved[0]["text"]
    nothing_left()


def test_nothing_is_lost_while_a_gate_moves_between_processes(processes):
    with deploy(NETWORK, processes.client) as running:
        _, trains = move_about(running, processes.two())
        nothing_was_lost(running, trains)
    processes.nothing_left()


def test_a_validation_whose_gate_moves_reads_one_version_and_ends(user, cluster):
    with user.deploy(NETWORK) as running:
        looks = running.attach(Sentinel.validate(data.arrays(*numbers(), shuffle=False), batch_size=4, every="1ms"))
        _, trains = move_about(running, workers(cluster))
        nothing_was_lost(running, trains)
        wait_until(lambda: looks.reports)
    assert {(report.samples, report.lost) for report in looks.reports} == {(SAMPLES, 0)}


def keeps_its_state(running, places, folder):
    running.attach(train(concurrency=4, epochs=3))
    running.wait(timeout=PATIENCE)
    written = running.snapshot()
    before = [running.parameters(), kept(folder, "g0"), kept(folder, "g1")]
    assert written == {"g0": 3 * BATCHES, "g1": 3 * BATCHES}
    for gate in ("g0", "g1"):
        (to,) = {*places}.difference([running.placement[gate]])
        running.move(gate, to)
    assert running.snapshot() == written
    after = [running.parameters(), kept(folder, "g0"), kept(folder, "g1")]
    assert equal(before[0], after[0])
    for (number, tree), (again, same) in zip(before[1:], after[1:], strict=True):
        assert number == again and tree["state"]["count"] == same["state"]["count"] == 3 * BATCHES
        assert equal(tree["state"]["slots"], same["state"]["slots"])


def test_a_gate_that_moves_keeps_version_parameters_and_optimizer(user, cluster, tmp_path):
    with user.deploy(adam(), snapshots=str(tmp_path)) as running:
        keeps_its_state(running, workers(cluster), tmp_path)


def test_a_gate_that_moves_to_another_process_keeps_version_parameters_and_optimizer(processes, tmp_path):
    with deploy(adam(), processes.client, snapshots=str(tmp_path)) as running:
        keeps_its_state(running, processes.two(), tmp_path)


def adam():
    return Gate(nn.Linear(6, 5) >> nn.ReLU(), optim.Adam(0.01)) | Gate(nn.Linear(5, 3), optim.Adam(0.01))


def moved_run(running, places, passes=4):
    """The parameters after some passes between which a gate moves, each time another one."""
    running.attach(Sentinel.train(IMAGES, batch_size=50, concurrency=1, name="tdp"), epochs=passes)
    for done in range(1, passes + 1):
        running.wait(epochs=1, timeout=PATIENCE)
        gate = f"g{done % 3}"
        (to,) = {*places}.difference([running.placement[gate]])
        running.move(gate, to)
    running.wait(timeout=PATIENCE)
    return running.parameters()


def unmoved(network, passes=4):
    how = {"loss": nn.SoftmaxCrossEntropy(), "seed": 4, "sentinel": "tdp", "batch_size": 50, "epochs": passes}
    return train_sequentially(network, IMAGES, **how)


@pytest.mark.parametrize("optimizer", [optim.Adam(0.01), optim.DCASGDa(0.05)], ids=["adam", "dcasgda"])
def test_promise_1_holds_for_a_run_whose_gates_move_between_passes(user, cluster, optimizer):
    network = three_gates(optimizer)
    with user.deploy(network, seed=4) as running:
        assert equal(moved_run(running, workers(cluster)), unmoved(network))


def test_promise_1_holds_where_they_move_between_processes(processes):
    network = three_gates(optim.Adam(0.01))
    with deploy(network, processes.client, seed=4) as running:
        assert equal(moved_run(running, processes.two()), unmoved(network))


def test_promise_1_holds_where_a_gate_moves_in_the_middle_of_a_pass(user, cluster):
    network, passed = three_gates(optim.Adam(0.01)), threading.Semaphore(0)
    with user.deploy(network, seed=4) as running:
        running.subscribe(lambda report: passed.release())
        running.attach(Sentinel.train(IMAGES, batch_size=50, concurrency=1, name="tdp", epochs=6 * MOVES))
        for _ in range(MOVES):
            assert passed.acquire(timeout=PATIENCE)
            running.pause()
            (to,) = {*workers(cluster)}.difference([running.placement["g1"]])
            running.move("g1", to)
            running.resume()
        running.wait(timeout=PATIENCE)
        assert equal(running.parameters(), unmoved(network, 6 * MOVES))


def test_a_move_that_cannot_be_is_refused_and_changes_nothing(user, somebody, cluster):
    with user.deploy(NETWORK, name="still") as running, somebody.connect("still") as guest:
        before = running.placement, running.parameters()
        with pytest.raises(PlacementError, match="gate 'g1' asks for worker 'nobody', the cluster has 0 "):
            running.move("g1", "nobody")
        with pytest.raises(SpecError, match="'still' has no gate 'g7', it has g0, g1"):
            running.move("g7", "1")
        with pytest.raises(PlacementError, match="gate 'g1' asks for worker 'nobody', the cluster has 0 "):
            guest.move("g1", "nobody")
        with pytest.raises(SpecError, match="'still' has no gate 'g7', it has g0, g1"):
            guest.move("g7", "1")
        with pytest.raises(PlacementError, match="drain asks for worker 'nobody'"):
            guest.drain("nobody")
        with no_rates(), pytest.raises(DeploymentError, match="have reported no work yet"):
            guest.rebalance()
        with pytest.raises(PlacementError, match="drain asks for worker 'nobody'"):
            running.drain("nobody")
        assert running.placement == before[0] and equal(running.parameters(), before[1])
        assert running.move("g1", running.placement["g1"]) == 0.0
        running.attach(train(epochs=2))
        assert [report.samples for report in running.wait(timeout=PATIENCE)] == [SAMPLES] * 2


def test_where_the_target_dies_before_the_others_know_it_nothing_has_changed(processes, monkeypatch):
    home, away = processes.two()
    network = three_gates(optim.Adam(0.01), g0=home, g1=home, g2=home)
    install, victim = OwnerPolicy.install, processes.pid(away)

    async def install_on_the_dead(policy, fresh):
        os.kill(victim, signal.SIGKILL)
        await install(policy, fresh)

    with deploy(network, processes.client, seed=4) as running:
        running.attach(Sentinel.train(IMAGES, batch_size=50, concurrency=1, name="tdp"), epochs=4)
        running.wait(epochs=1, timeout=PATIENCE)
        before = running.parameters()
        monkeypatch.setattr(OwnerPolicy, "install", install_on_the_dead)
        with pytest.raises(AkkordeonError, match="g1"):
            running.move("g1", away)
        monkeypatch.undo()
        assert running.placement == dict.fromkeys(("g0", "g1", "g2"), home)
        assert equal(running.parameters(), before)
        history = running.wait(timeout=PATIENCE)
        assert [(report.samples, report.lost) for report in history] == [(300, 0)] * 4
        assert equal(running.parameters(), unmoved(network))
    processes.two()
    processes.nothing_left()


def test_a_gate_on_a_stopped_worker_is_not_moved_and_works_again_when_that_wakes(processes):
    home, away = processes.two()
    pid = processes.pid(home)
    with deploy(three_gates(g0=away, g1=home, g2=away), processes.client) as running:
        trains = running.attach(Sentinel.train(IMAGES, batch_size=50, concurrency=3))
        running.wait(epochs=2, timeout=PATIENCE)
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(DeadlineError, match=r"gate 'g1' on .* cannot be moved: its worker gives no answer"):
                running.move("g1", away)
        finally:
            os.kill(pid, signal.SIGCONT)
        running.move("g1", away)
        running.wait(epochs=2, timeout=PATIENCE)
        assert running.placement["g1"] == away
        assert {report.samples + report.lost for report in trains.reports} == {300}
    processes.nothing_left()


def test_where_the_target_dies_afterwards_the_gate_is_restarted(processes, tmp_path):
    home, away = processes.two()
    network = three_gates(optim.SGD(0.02), g0=home, g1=home, g2=home)
    with deploy(network, processes.client, snapshots=str(tmp_path), snapshot_every=1) as running:
        trains = running.attach(Sentinel.train(IMAGES, batch_size=50, concurrency=3))
        running.wait(epochs=2, timeout=PATIENCE)
        running.move("g1", away)
        os.kill(processes.pid(away), signal.SIGKILL)
        running.wait(epochs=20, timeout=PATIENCE)
        (restarted,) = events(processes.client, running.name, "restarted")
        assert restarted["gate"] == "g1" and running.placement["g1"] != away
        assert {(report.samples, report.lost) for report in trains.reports} == {(300, 0)}
    processes.two()


def test_a_guest_and_its_sentinel_follow_a_gate_that_moves(user, somebody, cluster, nothing_left):
    with user.deploy(NETWORK, name="hosting") as running, somebody.connect("hosting") as guest:
        passed = threading.Semaphore(0)
        guest.subscribe(lambda report: passed.release())
        trains = guest.attach(train(concurrency=3, name="guest"))
        for _ in range(3):
            assert passed.acquire(timeout=PATIENCE)
            (to,) = {*workers(cluster)}.difference([running.placement["g1"]])
            running.move("g1", to)
            wait_until(lambda: guest.placement == running.placement, seen=lambda: guest.placement)
        guest.wait(epochs=3, timeout=PATIENCE)
        nothing_was_lost(running, trains)
        assert equal(guest.parameters(), running.parameters())
        assert guest.evaluate(rating()).samples == SAMPLES
    nothing_left()


class Steps:
    """The steps of migrations in this process, with the pieces changed on their way."""

    def __init__(self, monkeypatch, change=lambda piece: piece):
        self.names = []
        self._call, self._change = _migration._call_step, change
        monkeypatch.setattr(_migration, "_call_step", self._step)

    async def _step(self, worker, actor, step, *args):
        answer = await self._call(worker, actor, step, *args)
        self.names.append(step)
        return self._change(answer) if step == "read" else answer


def other_worker(cluster, running, gate):
    (to,) = {*workers(cluster)}.difference([running.placement[gate]])
    return to


def test_an_idle_gate_moves_before_it_stops_and_initialises_nothing(somebody, cluster, monkeypatch):
    with somebody.deploy(Gate(nn.Linear(6, 5), optim.Adam(0.1)) | NETWORK[1:]) as running:
        before, steps = running.parameters(), Steps(monkeypatch)
        monkeypatch.delattr(Gate, "init")
        running.move("g0", other_worker(cluster, running, "g0"))
        assert steps.names == ["hold", "read", "export"]
        assert equal(running.parameters(), before)


def test_a_move_with_a_damaged_piece_fails_and_the_gate_goes_on(somebody, cluster, monkeypatch):
    def damaged(piece):
        return piece._replace(content=piece.content + piece.content.dtype.type(1))

    with somebody.deploy(NETWORK) as running:
        at, trains = running.placement, running.attach(train(concurrency=4))
        with monkeypatch.context() as patch:
            Steps(patch, damaged)
            with pytest.raises(CheckpointError, match="arrived damaged"):
                running.move("g1", other_worker(cluster, running, "g1"))
        assert running.placement == at
        running.wait(epochs=2, timeout=PATIENCE)
        nothing_was_lost(running, trains)
