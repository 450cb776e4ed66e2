"""`move`, `drain`, `pause`, `resume`, `snapshot`, `save`, `report` of a network in another program."""

import json
import os
import signal

import pytest
from safetensors.numpy import load_file

from akkordeon_dask import status
from akkordeon_dask.snapshots import SnapshotPolicy, complete_cuts
from tests.support.dialogues import akkordeon, called, joined_worker
from tests.support.html_page import Page
from tests.support.leftovers import wait_until
from tests.support.restarting_workers import run_folder

TRAIN = ("--mode", "train", "--data", "mnist-sample")


def said(*args):
    """The output of a command that succeeds."""
    done = called(*args)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout.removesuffix("\n")


def reported(name, path, *at):
    """Have a report written, which is said before it takes a while."""
    done = called("report", name, path, *at)
    assert (done.exit_code, done.stdout) == (0, f"report: {path}\n")
    assert done.stderr == f"writing the report {path}, which takes some seconds\n"


def error_of(*args):
    """The one line of a command that fails."""
    done = called(*args)
    assert (done.exit_code, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line


@pytest.fixture
def steered(at, file, tmp_path, nothing_left):
    """The program that owns a network with snapshots."""
    snapshots = ("--snapshots", tmp_path / "kept", "--snapshot-every", "1h")
    with akkordeon("network", f"{file}:network", "--name", "steered", *snapshots, *at) as owner:
        owner.line("join it")
        yield owner
        assert owner.interrupt() == 0
    nothing_left()


def workers_of(client):
    (network,) = status(client, "steered")
    return {gate.name: gate.worker for gate in network.gates}


def test_a_network_of_another_program_is_controlled_while_it_trains(steered, at, client, tmp_path):
    with akkordeon("sentinel", "steered", *TRAIN, *at) as guest:
        guest.passes(1)
        assert said("move", "steered", "g1", "alice", *at).startswith("gate 'g1' moved to alice, unavailable for ")
        assert workers_of(client) == {"g0": "alice", "g1": "alice"}
        assert said("drain", "steered", "alice", *at).startswith("gates moved off alice: 'g")
        assert workers_of(client) == {"g0": "bob", "g1": "bob"}
        assert said("drain", "steered", "alice", *at) == "gates moved off alice: none, it had none"
        steered.line(lambda line: line.startswith("moved       gate 'g1': from bob (tcp://"))
        guest.line("moved       gate 'g1': from bob (tcp://")

        assert said("pause", "steered", *at) == "paused: train0"
        assert said("pause", "steered", *at) == (
            "network 'steered' has no training sentinel that is running: nothing to do"
        )
        guest.line("paused      train0, by client ")
        assert said("resume", "steered", *at) == "resumed: train0"
        done = len(guest.out)
        guest.line(lambda _: sum("epoch:" in line for line in guest.out[done:]) >= 2)

        first, second = said("snapshot", "steered", *at).splitlines()
        assert first.startswith("gate 'g0': ") and second.startswith("gate 'g1': ")
        cuts = complete_cuts(SnapshotPolicy(str(run_folder(tmp_path / "kept"))))
        assert int(first.split()[2].replace(",", "")) in {cut.numbers["g0"] for cut in cuts}
        assert guest.interrupt() == 0
    said("save", "steered", tmp_path / "now.safetensors", *at)
    assert "g0.1.w" in load_file(tmp_path / "now.safetensors")
    reported("steered", tmp_path / "now.html", *at)
    assert "train0" in {cell for row in Page((tmp_path / "now.html").read_text()).rows for cell in row}


def test_a_refusal_of_the_owner_is_the_error_of_the_command(steered, at):
    assert "has no gate 'g9', it has g0, g1: move one of them" in error_of("move", "steered", "g9", "alice", *at)
    assert "gate 'g0' asks for worker 'dora', the cluster has alice" in error_of("move", "steered", "g0", "dora", *at)
    assert "no network named 'nobody'" in error_of("pause", "nobody", *at)


def test_an_owner_that_does_not_answer_or_is_gone_is_an_error(at, file, client, tmp_path, nothing_left, monkeypatch):
    with akkordeon("network", f"{file}:network", "--name", "orphan", *at) as owner:
        owner.line("join it")
        os.kill(owner.process.pid, signal.SIGSTOP)
        monkeypatch.setenv("DASK_AKKORDEON__TIMEOUTS__OWNER", "500ms")
        with akkordeon("move", "orphan", "g0", "bob", *at) as asks:
            assert asks.end() == 1
        assert "did not answer to 'move' within 0.5 s" in asks.err[0]
        owner.kill()
    wait_until(lambda: status(client, "orphan")[0].owner is None)
    assert "network 'orphan' has no owner" in error_of("move", "orphan", "g0", "bob", *at)
    assert "network 'orphan' has no owner" in error_of("drain", "orphan", "bob", *at)
    reported("orphan", tmp_path / "run.html", *at)
    said("save", "orphan", tmp_path / "all.safetensors", *at)
    assert said("pause", "orphan", *at).startswith("network 'orphan' has no training sentinel")
    assert "keeps no snapshots" in error_of("snapshot", "orphan", *at)
    said("stop", "orphan", *at)
    nothing_left()


def test_the_loss_of_a_worker_and_the_recovery_are_lines_in_all_terminals_and_objects_in_json(
    cluster, at, file, tmp_path, nothing_left
):
    named = ("network", f"{file}:free", "--name", "hurt", "--snapshots", tmp_path, "--snapshot-every", "200ms")
    with joined_worker(cluster.address, "aaron") as aaron, akkordeon(*named, *at, "--json") as owner:
        gate = json.loads(owner.line('{"event": "network"'))["gates"][0]
        assert gate["worker"] == "aaron"
        with akkordeon("sentinel", "hurt", *TRAIN, *at, "--worker", "bob") as guest:
            guest.passes(1)
            aaron.kill()
            lost = guest.line("lost        gate 'g0': ")
            assert f"aaron ({gate['address']}) is gone, or gives no sign of life: it is restarted" in lost
            guest.line("restarted   gate 'g0': on ")
            done = len(guest.out)
            guest.line(lambda _: sum("epoch:" in line for line in guest.out[done:]) >= 2)
            assert guest.interrupt() == 0
        owner.line('{"event": "restarted"')
        assert owner.interrupt() == 0
    lost, restarted = [event for event in map(json.loads, owner.out) if event["event"] in ("lost", "restarted")]
    assert (lost["network"], lost["gate"], restarted["gate"]) == ("hurt", "g0", "g0")
    assert any(line.startswith("restarted   gate 'g0': on ") for line in owner.err)
    nothing_left()
