"""A run goes on from the snapshots of another one; places that cannot be used, and what is said of them."""

import os
import re
import signal
import warnings

import pytest

from akkordeon_dask import Gate, deploy, nn, optim
from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.messages import TOPIC
from akkordeon_dask.runtime import stop
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.restarting_workers import events, kept, pair, run_folder, run_store
from tests.support.small_networks import NETWORK, SAMPLES, equal, train

ADAM = Gate(nn.Linear(6, 5) >> nn.ReLU(), optim.Adam(0.01)) | Gate(nn.Linear(5, 3), optim.Adam(0.01))
PASS = SAMPLES // 16
"""Updates."""


def trained(running, epochs=3):
    """Its parameters after so many more passes."""
    running.attach(train(concurrency=3, epochs=epochs), resume=False)
    running.wait(timeout=PATIENCE)
    return running.parameters()


def of_gates(folder):
    return {gate: kept(folder, gate) for gate in ("g0", "g1")}


def same(a, b):
    """Two sets of snapshots, optimizers' states included."""
    return all(
        (number, tree["state"]["count"]) == (b[gate][0], b[gate][1]["state"]["count"])
        and equal(tree["params"], b[gate][1]["params"])
        and equal(tree["state"]["slots"], b[gate][1]["state"]["slots"])
        for gate, (number, tree) in a.items()
    )


def test_it_goes_on_where_the_other_run_was_closed(user, tmp_path, nothing_left):
    with user.deploy(ADAM, snapshots=str(tmp_path), snapshot_every="1h") as running:
        end = trained(running)
    written = of_gates(tmp_path)
    assert {gate: number for gate, (number, _) in written.items()} == {"g0": 3 * PASS, "g1": 3 * PASS}
    with user.deploy(ADAM, resume=str(tmp_path), snapshot_every="1h", seed=9) as running:
        assert equal(running.parameters(), end)
        assert running.snapshot() == {"g0": 3 * PASS, "g1": 3 * PASS}
        assert same(of_gates(tmp_path), written)
        end = trained(running, 2)
    written = of_gates(tmp_path)
    assert [(number, tree["state"]["count"]) for number, tree in written.values()] == [(5 * PASS, 5 * PASS)] * 2
    assert equal({gate: tree["params"] for gate, (_, tree) in written.items()}, end)
    nothing_left()


def test_a_run_without_a_complete_cut_is_resumed_and_that_is_told(user, tmp_path, caplog):
    with user.deploy(ADAM, snapshots=str(tmp_path), snapshot_every="1h") as running:
        end = trained(running)
        running.snapshot()
    for manifest in tmp_path.glob("runs/*/cuts/manifest/*.json"):
        manifest.write_text("")
    with user.deploy(ADAM, resume=str(tmp_path), seed=9) as running:
        assert equal(running.parameters(), end)
    told = f"has no complete cut: .* \\(updates: 'g0' {3 * PASS}, 'g1' {3 * PASS}\\)"
    assert re.search(told, caplog.text)


def test_it_does_so_on_another_number_of_workers_and_to_another_place(user, tmp_path):
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    with deploy(ADAM, snapshots=first) as running:
        assert len({*running.placement.values()}) == 1
        end = trained(running)
    before = of_gates(first)
    with user.deploy(ADAM, resume=first, snapshots=second) as running:
        assert len({*running.placement.values()}) == 2
        assert equal(running.parameters(), end)
        end = trained(running)
    assert same(of_gates(first), before)
    with deploy(ADAM, resume=second) as running:
        assert equal(running.parameters(), end)


def test_it_goes_on_from_the_end_whoever_wrote_it(user, somebody, tmp_path):
    """Each owner's snapshots are newer than those of all before, and so are a moved gate's."""
    former = somebody.deploy(ADAM, name="handed", snapshots=str(tmp_path), snapshot_every=1)
    trained(former)
    with user.adopt("handed") as running:
        former.close()
        trained(running)
        running.move("g1", "0")
        running.move("g1", "1")
        end = trained(running)
    with user.deploy(ADAM, resume=str(tmp_path), snapshot_every=1) as running:
        assert equal(running.parameters(), end)
        end = trained(running, 1)
    assert {number for number, _ in of_gates(tmp_path).values()} == {10 * PASS}
    with user.deploy(ADAM, resume=str(tmp_path)) as running:
        assert equal(running.parameters(), end)


def test_a_network_that_somebody_stops_is_written_down_too(user, somebody, tmp_path):
    running = user.deploy(ADAM, name="stopped", snapshots=str(tmp_path), snapshot_every="1h")
    end = trained(running)
    assert somebody.call(stop, "stopped", somebody.client)
    running.close()
    with user.deploy(ADAM, resume=str(tmp_path)) as running:
        assert equal(running.parameters(), end)


def test_places_that_do_not_fit_are_refused_before_anything_is_made(user, tmp_path, nothing_left):
    place = str(tmp_path / "snapshots")
    with user.deploy(NETWORK, snapshots=place) as running:
        trained(running)
    with pytest.raises(CheckpointError, match="holds snapshots of g0, g1 already: resume them by resume="):
        user.deploy(NETWORK, snapshots=place)
    with pytest.raises(CheckpointError, match="has no snapshot of g2: give the URL of this network's"):
        user.deploy(NETWORK | Gate(nn.Linear(3, 3), optim.SGD(0.1)), resume=place)
    with pytest.raises(CheckpointError, match="has no snapshot of g0, g1"):
        user.deploy(NETWORK, resume=str(tmp_path / "elsewhere"))
    with pytest.raises(CheckpointError, match=r"gate 'g1': .*an array \(5, 3\) of float32.*an array \(5, 4\) of"):
        user.deploy(NETWORK[:1] | Gate(nn.Linear(5, 4), optim.SGD(0.05)), resume=place)
    for file in (tmp_path / "snapshots").rglob("g1/*.safetensors"):
        file.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"no intact snapshot of gate 'g1' in "):
        user.deploy(NETWORK, resume=place)
    nothing_left()


def spoil(folder, gate):
    """Put files where a gate's snapshots are and where cuts are; gives what ends that."""
    places = [(folder / name, folder / f"~{name}") for name in (gate, "cuts")]
    # The first cut is written beside the training.
    wait_until(lambda: all(there.is_dir() for there, _ in places) and [*folder.glob("cuts/manifest/*.json")])
    for there, aside in places:
        there.rename(aside)
        there.write_bytes(b"no folder")

    def mend():
        for there, aside in places:
            there.unlink()
            aside.rename(there)

    return mend


def failed(user, running):
    """The gates whose snapshots were not written."""
    told = [one for _, one in user.call(user.client.get_events, TOPIC) if one["event"] == "snapshot failed"]
    return {one.get("gate") for one in told if one["network"] == running.name}


def test_a_snapshot_url_that_cannot_be_written_is_reported_and_training_continues(user, tmp_path):
    with user.deploy(NETWORK, snapshots=str(tmp_path), snapshot_every=1) as running:
        trains = running.attach(train())
        done = PASS * len(running.wait(epochs=2, timeout=PATIENCE))
        assert running.snapshot() == {"g0": done, "g1": done}
        mend = spoil(run_folder(tmp_path), "g1")

        def until_it_fails(report):
            wait_until(lambda: "g1" in failed(user, running))

        said = f"snapshots of gate 'g1' are not written, there is one of update {done}: cannot write snapshots in "
        with pytest.warns(RuntimeWarning, match=said) as told:
            running.wait(epochs=3, timeout=PATIENCE, callbacks=[until_it_fails])
        assert len(told) == 1
        with pytest.raises(CheckpointError, match=f"gate 'g1', version {len(trains.reports) * PASS}: cannot write"):
            running.snapshot()
        assert [report.samples for report in trains.reports] == [SAMPLES] * len(trains.reports)
        mend()
        running.snapshot()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            running.wait(epochs=2, timeout=PATIENCE)
        end = running.parameters()
    assert run_store(tmp_path).numbers("g1")[-1] == len(trains.reports) * PASS
    with user.deploy(NETWORK, resume=str(tmp_path)) as running:
        assert equal(running.parameters(), end)


def test_a_place_that_comes_back_only_for_the_end_has_the_end(tmp_path):
    with deploy(NETWORK, snapshots=str(tmp_path), snapshot_every=1) as running:
        running.snapshot()
        mend = spoil(run_folder(tmp_path), "g0")

        def failed():
            return {one["gate"] for one in events(running.client, running.name, "snapshot failed")}

        running.attach(train(epochs=3))
        with pytest.warns(RuntimeWarning, match="snapshots of gate 'g0'"):
            running.wait(timeout=PATIENCE, callbacks=[lambda report: wait_until(failed)])
        assert failed() == {"g0"}
        mend()
        end = running.parameters()
    with deploy(NETWORK, resume=str(tmp_path)) as running:
        assert equal(running.parameters(), end)


def test_a_network_without_snapshots_can_write_none(user):
    with user.deploy(NETWORK) as running, pytest.raises(CheckpointError, match=r"keeps no snapshots: give deploy\("):
        running.snapshot()


def test_a_lost_gate_without_a_snapshot_restarts_from_its_initial_parameters_and_that_is_reported(tmp_path):
    with pair() as processes, deploy(NETWORK, processes.client, snapshots=str(tmp_path)) as running:
        running.attach(train())
        lost = PASS * len(running.wait(epochs=2, timeout=PATIENCE))
        running.snapshot()
        for file in list(tmp_path.rglob("g1/*")):
            file.unlink()
        os.kill(processes.pid(running.placement["g1"]), signal.SIGKILL)
        wait_until(lambda: events(processes.client, running.name, "restarted"))
        running.wait(epochs=2, timeout=PATIENCE)
        (told,) = events(processes.client, running.name, "no snapshot")
        assert told["gate"] == "g1" and told["text"].endswith("it starts with its initial parameters")
        statistics = running.statistics()
        assert statistics["g1"].version == statistics["g0"].version - lost > 0
