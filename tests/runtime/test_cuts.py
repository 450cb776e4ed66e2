"""Snapshots of all gates are of one moment, whatever becomes of the cluster, and of one run."""

import asyncio
import os
import shutil
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import dask.config
import pytest
from distributed import Client
from safetensors.numpy import load_file

from akkordeon_dask import Network, Sentinel, data, deploy
from akkordeon_dask.actors import GateActor
from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.runtime._checkpoint import consistent_parameters
from akkordeon_dask.runtime._cuts import CutNetwork
from akkordeon_dask.runtime.handles._gate import GateHandle
from akkordeon_dask.runtime.recovery._cut_schedule import CutSchedule
from akkordeon_dask.snapshots import SnapshotPolicy, SnapshotRecorder, complete_cuts
from tests.support.gate_versions import versions
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.programs import running_cluster, started
from tests.support.restarting_workers import events, pair, run_folder, run_store
from tests.support.small_networks import NETWORK, SAMPLES, equal, numbers, rating, train


def cuts(folder):
    return complete_cuts(SnapshotPolicy(str(run_folder(folder))))


def watching(**options):
    return Sentinel.validate(data.arrays(*numbers(), shuffle=False), batch_size=16, every="1s", **options)


def kill_all(address, program):
    """The owner and all workers, at once."""
    with Client(address) as client:
        pids = client.run(os.getpid).values()
        os.killpg(program.pid, signal.SIGKILL)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


def test_after_everything_was_killed_all_gates_go_on_with_the_same_update(tmp_path):
    kept = tmp_path / "snapshots"
    with (
        running_cluster(tmp_path) as cluster,
        started("-m", "tests.support.cut_owner", cluster.address, kept) as program,
    ):
        assert program.stdout.readline() == "up\n", program.stderr.read()
        wait_until(lambda: len(cuts(kept)) == 3 and min(cuts(kept)[-1].numbers.values()) > 100)
        kill_all(cluster.address, program)
    newest = cuts(kept)[0]
    assert len({*newest.numbers.values()}) == 1 and newest.lost == {}
    with pair() as processes, deploy(NETWORK, processes.client, resume=kept) as running:
        assert versions(running) == newest.numbers
        assert running.evaluate(rating()).scores["accuracy"] > 0.9
        attached = running.attach(train(name="a"), epochs=newest.positions["a"]["position"]["finished"] + 3)
        running.wait(timeout=PATIENCE)
        assert [report.samples for report in attached.reports] == [SAMPLES] * 3
        assert set(versions(running).values()) == {SAMPLES // 16 * attached.reports[-1].epoch}


def test_the_first_cut_is_of_the_first_version_and_the_last_of_the_last(user, tmp_path):
    with user.deploy(NETWORK, snapshots=str(tmp_path), snapshot_every="1h") as running:
        wait_until(lambda: len(cuts(tmp_path)) == 1)
        assert cuts(tmp_path)[0].numbers == {"g0": 0, "g1": 0}
        running.attach(train(epochs=5, concurrency=3))
        running.wait(timeout=PATIENCE)
        end = running.parameters()
    assert cuts(tmp_path)[0].numbers == {"g0": 20, "g1": 20}
    with user.deploy(NETWORK, resume=str(tmp_path)) as running:
        assert equal(running.parameters(), end)


@pytest.mark.parametrize(("updates", "cut", "taken"), [(2, "cut", [False]), (2, None, [False, False]), (1, "cut", [])])
def test_the_last_cut_has_an_update_that_statistics_do_not_show_yet(monkeypatch, caplog, updates, cut, taken):
    """A gate may answer for a batch before it updates, and so long its statistics are those from before."""
    begun = []

    async def on_gates(method):
        return {"g0": SimpleNamespace(version=1) if method is GateActor.statistics else updates}

    async def take(schedule, *, go_on=True):
        begun.append(go_on)
        return cut

    async def require_lease():
        pass

    session = SimpleNamespace(name="digits", error=None, on_gates=on_gates)
    policy = SimpleNamespace(session=session, known_updates={}, require_lease=require_lease)
    monkeypatch.setattr(CutSchedule, "_take", take)
    schedule = CutSchedule(policy, SnapshotPolicy("memory://cuts"))
    schedule._kept = {"g0": 1}
    asyncio.run(schedule.take_last())
    assert begun == taken
    assert ("network 'digits': there are no last snapshots" in caplog.text) is (cut is None)


def test_a_damaged_cut_is_passed_over_for_the_one_before(tmp_path):
    with deploy(NETWORK, snapshots=str(tmp_path), snapshot_every="1s") as running:
        wait_until(lambda: cuts(tmp_path))
        running.attach(train(epochs=5))
        running.wait(timeout=PATIENCE)
    first, *_ = found = cuts(tmp_path)
    assert len(found) > 1
    for file in (run_folder(tmp_path) / "cuts" / first.name / "g1").glob("*.safetensors"):
        file.write_bytes(b"")
    with deploy(NETWORK, resume=str(tmp_path)) as running:
        assert versions(running) == found[1].numbers


def test_save_while_it_trains_is_of_one_moment(tmp_path):
    """All gates have made the same updates, as many as the file of a sequential run has."""
    with pair() as processes, deploy(NETWORK, processes.client, seed=3) as running:
        running.attach(train(name="a", concurrency=8))
        network = CutNetwork.of(running._session)
        numbers = [processes.client.sync(network.take).cut.numbers for _ in range(20)]
        assert all(len({*one.values()}) == 1 for one in numbers) and numbers[-1] != numbers[0]
        running.save(tmp_path / "now")
        assert running.wait(epochs=1, timeout=PATIENCE)
    assert {*load_file(tmp_path / "now")} == {"g0.0.w", "g0.0.b", "g1.0.w", "g1.0.b"}


def test_saves_at_once_of_one_client_and_of_another_are_all_of_one_moment(user, tmp_path):
    """A sentinel waits for one cut, the newest: a save that takes its own from another one tries again."""
    with user.deploy(NETWORK, name="saved", seed=3) as running, user.connect("saved") as other:
        running.attach(train(concurrency=8))
        files = [tmp_path / str(number) for number in range(3)]
        with ThreadPoolExecutor(len(files)) as threads:
            saved = [threads.submit(running.save, file) for file in files[1:]] + [threads.submit(other.save, files[0])]
            assert [its.result(PATIENCE) for its in saved] == [None] * len(files)
    assert all({*load_file(file)} == {"g0.0.w", "g0.0.b", "g1.0.w", "g1.0.b"} for file in files)


def test_a_cut_has_all_gates_of_before_a_load_or_all_of_after(tmp_path, monkeypatch):
    """One is asked for when the first gate has the file's numbers, and the second one has not."""
    ask, half, asked = GateHandle.ask, asyncio.Event(), []

    async def ask_one_after_the_other(gate, method, *args, **options):
        if method is GateActor.commit and gate.name == "g1":
            await half.wait()
            asked.append(asyncio.ensure_future(consistent_parameters(running._session)))
            if not running._session.cutting.locked():
                await asked[0]
        answer = await ask(gate, method, *args, **options)
        if method is GateActor.commit and gate.name == "g0":
            half.set()
        return answer

    with deploy(NETWORK, seed=1) as running:
        running.save(tmp_path / "file")
        saved = running.parameters()
    monkeypatch.setattr(GateHandle, "ask", ask_one_after_the_other)
    with deploy(NETWORK, seed=2) as running:
        running.load(tmp_path / "file")
        assert equal(running.client.sync(asyncio.wait_for, asked[0], PATIENCE), saved)


def test_a_worker_that_does_not_answer_calls_the_cut_off_and_training_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("DASK_AKKORDEON__SNAPSHOTS__CUT_DEADLINE", "1s")
    with pair() as processes:
        front, back = processes.two()
        network = Network([replace(gate, workers=front) for gate in NETWORK])
        running = deploy(network, processes.client, snapshots=str(tmp_path), snapshot_every="1s")
        attached, pid = running.attach(train(name="a")), processes.pid(back)
        running.attach(watching(workers=back))
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_until(lambda: events(processes.client, running.name, "cut called off"))
            done = len(attached.reports)
            wait_until(lambda: len(attached.reports) > done + 2)
        finally:
            os.kill(pid, signal.SIGCONT)
            running.close()


def test_a_stopped_worker_without_actors_of_the_network_calls_no_cut_off(tmp_path):
    with pair() as processes:
        front, idle = processes.two()
        network = Network([replace(gate, workers=front) for gate in NETWORK])
        pid = processes.pid(idle)
        os.kill(pid, signal.SIGSTOP)
        try:
            with deploy(network, processes.client, name="cut", snapshots=str(tmp_path), snapshot_every="1s") as running:
                running.attach(train(name="a"))
                wait_until(lambda: len(cuts(tmp_path)) > 1)
            assert not events(processes.client, "cut", "cut called off")
        finally:
            os.kill(pid, signal.SIGCONT)


def test_a_gate_writes_its_own_snapshots_while_a_neighbour_cannot_write_its_part_of_any_cut(tmp_path, monkeypatch):
    write = SnapshotRecorder.write_part

    def write_but_one(recorder, *args):
        if recorder.series != "g1":
            return write(recorder, *args)
        failed = Future()
        failed.set_exception(CheckpointError("the disk of this worker is full"))
        return failed

    monkeypatch.setattr(SnapshotRecorder, "write_part", write_but_one)
    with deploy(NETWORK, snapshots=str(tmp_path), snapshot_every="1s") as running:
        running.attach(train(name="a"))
        wait_until(lambda: len(events(running.client, running.name, "cut called off")) > 1)
        told = running.statistics()["g0"].snapshot
        assert run_store(tmp_path).load("g0").number >= told
        wait_until(lambda: run_store(tmp_path).load("g0").number > told)


def test_two_runs_of_one_folder_never_mix(tmp_path):
    """Without a lease, too: each writes, prunes and resumes its own."""
    with (
        dask.config.set({"akkordeon.snapshots.lease": False}),
        deploy(NETWORK, seed=1, snapshots=str(tmp_path), snapshot_every=1) as first,
    ):
        first.attach(train())
        first.wait(epochs=3, timeout=PATIENCE)
        with deploy(NETWORK, resume=str(tmp_path), snapshot_every=1) as second:
            second.attach(train(name="b", epochs=2))
            second.wait(timeout=PATIENCE)
            first.wait(epochs=2, timeout=PATIENCE)
            ends = {
                run.name: running.parameters() for run, running in zip(runs(tmp_path), (first, second), strict=True)
            }
    for run in runs(tmp_path):
        with deploy(NETWORK, resume=run, snapshots=tmp_path / "other" / run.name) as running:
            assert equal(running.parameters(), ends[run.name])
    with deploy(NETWORK, resume=str(tmp_path)) as running:
        assert equal(running.parameters(), ends[runs(tmp_path)[1].name])


def runs(folder):
    return sorted((folder / "runs").iterdir())


def test_two_runs_that_began_at_the_same_time_are_told_apart_by_their_names(tmp_path):
    with deploy(NETWORK, snapshots=str(tmp_path)) as running:
        end = running.parameters()
    (run,) = runs(tmp_path)
    twin = run.with_name("000001-0123456789ab")
    twin.mkdir()
    with pytest.raises(CheckpointError, match="are equally new, they began at the same time: resume one of them by"):
        deploy(NETWORK, resume=str(tmp_path))
    with deploy(NETWORK, resume=run) as running:
        assert equal(running.parameters(), end)


def test_a_run_whose_network_is_still_there_is_to_be_adopted(user, somebody, tmp_path):
    with user.deploy(NETWORK, name="alive", snapshots=str(tmp_path)) as running:
        who = r"by network 'alive' of .*, which is on this .* adopt\('alive', client\)"
        with pytest.raises(CheckpointError, match=who):
            somebody.deploy(NETWORK, name="again", resume=str(tmp_path))
        end = running.parameters()
    with somebody.deploy(NETWORK, name="again", resume=str(tmp_path)) as running:
        assert equal(running.parameters(), end)


def test_folders_of_older_releases_are_resumed(user, tmp_path):
    with user.deploy(NETWORK, snapshots=str(tmp_path)) as running:
        running.attach(train(name="a", epochs=2))
        running.wait(timeout=PATIENCE)
        end = running.parameters()
    run = run_folder(tmp_path)
    for series in ("g0", "g1", "sentinels"):
        (run / series).rename(tmp_path / series)
    shutil.rmtree(tmp_path / "runs")
    with user.deploy(NETWORK, resume=str(tmp_path)) as running:
        assert equal(running.parameters(), end)
        attached = running.attach(train(name="a", epochs=3))
        running.wait(timeout=PATIENCE)
        assert [report.epoch for report in attached.reports] == [3]
        end = running.parameters()
    with user.deploy(NETWORK, resume=str(tmp_path)) as running:
        assert equal(running.parameters(), end)
