"""The order of a gate's snapshots over all its incarnations."""

import asyncio
import threading
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest

from akkordeon_dask import optim
from akkordeon_dask.actors import GateActor
from akkordeon_dask.actors.gate import _actor
from akkordeon_dask.actors.gate._cuts import GateCut
from akkordeon_dask.actors.gate._snapshots import GateSnapshots, load_version
from akkordeon_dask.actors.gate._state import Version
from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.snapshots import SnapshotPolicy, Store, Writer
from akkordeon_dask.tree import leaves, map_leaves
from tests.support.gate_harness import Bench
from tests.support.patience import PATIENCE


def version(number):
    params = {"w": np.full(3, number, np.float32)}
    return Version(number, params, optim.Adam(0.1).init(params))


def snapshots_of(policy):
    snapshots = GateSnapshots(policy, "g0", 1, on_failure=lambda event, text: None)
    snapshots.begin()
    return snapshots


def written(snapshots, number):
    snapshots.write(version(number), 0.0)
    snapshots.flush(PATIENCE)


def test_an_incarnation_that_was_only_stopped_writes_older_snapshots_whatever_their_number(tmp_path):
    policy = SnapshotPolicy(str(tmp_path))
    ghost = snapshots_of(policy)
    written(ghost, 10)
    successor = snapshots_of(policy)
    written(successor, 11)
    written(ghost, 99)
    assert load_version(policy, "g0", version(0)).number == 11
    third = snapshots_of(policy)
    written(third, 5)  # a rewind had gone back
    written(successor, 12)
    assert load_version(policy, "g0", version(0)).number == 5
    for one in (ghost, successor, third):
        one.close(None, PATIENCE)


def test_an_incarnation_that_began_while_the_store_was_away_writes_newer_snapshots_too(tmp_path):
    there, away = tmp_path / "place", tmp_path / "away"
    policy = SnapshotPolicy(str(there))
    former = snapshots_of(policy)
    former.raise_generation(7)
    written(former, 10)
    former.close(None, PATIENCE)
    there.rename(away)
    there.write_bytes(b"no folder")
    successor = snapshots_of(policy)
    written(successor, 11)
    assert successor.last is None and successor.error
    there.unlink()
    away.rename(there)
    written(successor, 12)
    assert load_version(policy, "g0", version(0)).number == successor.last == 12
    successor.close(None, PATIENCE)


def test_a_new_owner_raises_the_generation_of_gates_that_write_already(tmp_path):
    policy = SnapshotPolicy(str(tmp_path))
    former, present = snapshots_of(policy), snapshots_of(policy)
    present.raise_generation(7)
    written(present, 1)
    former.raise_generation(6)
    written(former, 99)
    assert load_version(policy, "g0", version(0)).number == 1
    present.raise_generation(3)
    written(present, 2)
    assert load_version(policy, "g0", version(0)).number == 2
    for one in (former, present):
        one.close(None, PATIENCE)


def test_a_version_that_is_not_kept_is_told_though_an_older_one_is_written_later(tmp_path, monkeypatch):
    goes_on, save = threading.Event(), Store.save

    def save_later(*args, **options):
        assert goes_on.wait(PATIENCE)
        return save(*args, **options)

    monkeypatch.setattr(Store, "save", save_later)
    snapshots = snapshots_of(SnapshotPolicy(str(tmp_path)))
    snapshots.write(version(7), 0.0)
    snapshots.write(version(np.nan)._replace(number=8), 0.0)
    goes_on.set()
    snapshots.flush(PATIENCE)
    with pytest.raises(CheckpointError, match="version 8 has parameters 'w' that are NaN or infinite: not kept"):
        snapshots.check_written(8)
    assert snapshots.last == 7
    written(snapshots, 9)
    assert (snapshots.last, snapshots.error) == (9, None)
    snapshots.close(None, PATIENCE)


class Ending(GateActor):
    """A gate that notes the steps of its end."""

    def __init__(self):
        self.key, self.done, self._closed = "gate", [], asyncio.Event()
        self._behavior = SimpleNamespace(migrating=False, versions=SimpleNamespace(present="last"))
        self._snapshots = SimpleNamespace(close=lambda last, timeout: self.done.append(last))
        self._loop = SimpleNamespace(call_soon_threadsafe=self.done.append)


def test_a_gate_whose_blas_threads_cannot_be_restored_still_writes_its_last_version(monkeypatch):
    monkeypatch.setattr(_actor, "release_blas", Mock(side_effect=TimeoutError("BLAS hangs")))
    gate = Ending()
    with pytest.raises(TimeoutError, match="BLAS hangs"):
        gate._ended()
    assert gate.done == ["last", gate._closed.set]


@pytest.mark.parametrize("step", ["snapshots", "blas"])
def test_an_opening_that_is_cut_short_keeps_neither_blas_nor_the_thread_of_snapshots(monkeypatch, step):
    begun, goes_on, done = threading.Event(), threading.Event(), []

    def slow(name):
        def call(*_):
            done.append(name)
            if name == step:
                begun.set()
                assert goes_on.wait(PATIENCE)

        return call

    monkeypatch.setattr(_actor, "limit_blas", slow("blas"))
    monkeypatch.setattr(_actor, "release_blas", lambda _: done.append("released"))
    gate = Ending()
    gate.done = done
    gate._snapshots.close = lambda last, timeout: done.append("closed")
    gate._begin_snapshots, gate._reserve_resources = slow("snapshots"), Mock()
    gate._office, gate._worker = Mock(), Mock()
    gate._behavior.wire = Mock()

    async def story():
        opening = asyncio.create_task(gate.open(None, None))
        await asyncio.to_thread(begun.wait, PATIENCE)
        opening.cancel()
        asyncio.get_running_loop().call_soon(goes_on.set)
        with pytest.raises(asyncio.CancelledError):
            await opening

    asyncio.run(story())
    before = ["snapshots", "blas"][: 1 + (step == "blas")]
    assert done == [*before, "released", "closed"]


class Changed(GateActor):
    """A gate without a worker, all of whose updates are in a snapshot."""

    def __init__(self, policy):
        self._behavior, self._snapshots = Bench().behavior, snapshots_of(policy)
        new = self._behavior.versions.prepare(map_leaves(np.ones_like, self._behavior.versions.present.params))
        self._transfers = SimpleNamespace(take=lambda token: new)
        self._snapshots.write(self._behavior.versions.present, 0.0)

    async def _call(self, function):
        return function()


def restarted(gate, policy, change):
    """The version with which a gate restarts after this change."""
    fresh = gate._behavior.versions.present
    asyncio.run(change)
    gate._snapshots.flush(PATIENCE)
    gate._snapshots.close(None, PATIENCE)
    return load_version(policy, "g0", fresh)


def test_lowered_learning_rates_outlast_a_restart_before_the_next_snapshot(tmp_path):
    gate = Changed(policy := SnapshotPolicy(str(tmp_path)))
    assert restarted(gate, policy, gate.slow(0.25)).state.rate == 0.25


def test_loaded_parameters_outlast_a_restart_before_the_next_snapshot(tmp_path):
    gate = Changed(policy := SnapshotPolicy(str(tmp_path)))
    assert all((leaf == 1).all() for leaf in leaves(restarted(gate, policy, gate.commit("token")).params))


def test_the_snapshot_that_a_gate_was_restored_from_is_its_newest_until_it_writes_one(tmp_path):
    snapshots = snapshots_of(SnapshotPolicy(str(tmp_path)))
    assert snapshots.last is None
    snapshots.restored = 7
    written(snapshots, 8)
    assert snapshots.last == 8
    snapshots.close(None, PATIENCE)
    broken = snapshots_of(SnapshotPolicy(str(tmp_path)))
    broken.restored = 8
    (tmp_path / "g0").rename(tmp_path / "aside")
    (tmp_path / "g0").write_bytes(b"no folder")
    written(broken, 9)
    assert broken.error is not None and broken.last == 8
    broken.close(None, PATIENCE)


def test_a_part_of_a_cut_is_no_snapshot_until_all_gates_have_written_theirs(tmp_path):
    policy = SnapshotPolicy(str(tmp_path), seconds=1.0)
    snapshots = snapshots_of(policy)
    written(snapshots, 3)
    snapshots.write_part(GateCut("000001-000002", version(4), {})).result(PATIENCE)
    assert snapshots.last == 3
    (tmp_path / "g0").rename(tmp_path / "aside")
    (tmp_path / "g0").write_bytes(b"no folder")
    written(snapshots, 5)
    assert snapshots.last == 3 and snapshots.error is not None
    snapshots.note_cut(4, now=9.0)
    assert snapshots.last == 4 and snapshots.error is not None, "the cut is older than what could not be written"
    snapshots.note_cut(6, now=9.0)
    assert snapshots.last == 6 and snapshots.error is None
    snapshots.note_cut(4, now=9.0)
    assert snapshots.last == 6
    (tmp_path / "g0").unlink()
    (tmp_path / "aside").rename(tmp_path / "g0")
    snapshots.maybe_write(version(7), now=10.5)
    snapshots.flush(PATIENCE)
    assert snapshots.last == 6, "another cut may come in time"
    snapshots.maybe_write(version(7), now=11.0)
    snapshots.flush(PATIENCE)
    assert snapshots.last == 7
    snapshots.close(None, PATIENCE)


@pytest.mark.parametrize("faulty", [{"w": np.inf}, {"w": np.nan}, {"statistics": np.nan}], ids=str)
def test_a_version_that_went_wrong_is_not_kept_and_infinite_statistics_are(tmp_path, faulty):
    policy = SnapshotPolicy(str(tmp_path))
    snapshots = snapshots_of(policy)

    def version_of(number, *, w=1.0, statistics=-np.inf):
        params = {"w": np.array([0, w], np.float32), "statistics": {"mask": np.array([0, statistics], np.float32)}}
        return Version(number, params, optim.Adam(0.1).init(params))

    snapshots.write(version_of(1), 0.0)
    snapshots.write_part(GateCut("000001-000002", version_of(2), {})).result(PATIENCE)
    bad = version_of(3, **faulty)
    snapshots.write(bad, 0.0)
    snapshots.flush(PATIENCE)
    assert "not kept" in snapshots.error and (".mask' with" in snapshots.error) == ("statistics" in faulty)
    with pytest.raises(CheckpointError, match="not kept"):
        snapshots.write_part(GateCut("000001-000003", bad, {}))
    kept = load_version(policy, "g0", version_of(0))
    assert kept.number == 1 and np.isneginf(kept.params["statistics"]["mask"][1])
    snapshots.close(None, PATIENCE)


def test_the_future_of_a_part_is_the_callers_however_fast_the_writer_is(tmp_path, monkeypatch):
    policy = SnapshotPolicy(str(tmp_path))
    snapshots = snapshots_of(policy)
    put = Writer.put

    def put_and_wait(writer, *args, **options):
        put(writer, *args, **options)
        writer.flush(PATIENCE)

    monkeypatch.setattr(Writer, "put", put_and_wait)
    snapshots.write_part(GateCut("000001-000002", version(4), {})).result(PATIENCE)
    snapshots.close(None, PATIENCE)


MOMENTUM = optim.SGD(0.1, momentum=0.9)


@pytest.mark.parametrize(
    ("optimizer", "changed", "said"),
    [
        (
            optim.EMA(MOMENTUM),
            {},
            r"resume with that optimizer, optim\.SGD\(\), or load a file of the parameters alone",
        ),
        (optim.SGD(0.1), {}, r"resume with that optimizer or load a file of the parameters"),
        (optim.SGD(0.1), {"b": np.zeros(2)}, r"has the fields \(w, b\): load it into the network that saved it$"),
        (MOMENTUM, {"w": np.zeros(4)}, r"has an array \(4,\) of float64: load it into the network that saved it$"),
    ],
)
def test_where_the_state_of_the_optimizer_alone_does_not_fit_there_is_a_way_out(tmp_path, optimizer, changed, said):
    policy, params = SnapshotPolicy(str(tmp_path)), {"w": np.ones(3, np.float32)}
    snapshots = GateSnapshots(policy, "g0", 1, state_format=MOMENTUM.state_format, on_failure=Mock())
    snapshots.begin()
    snapshots.write(Version(1, params, MOMENTUM.init(params)), 0.0)
    snapshots.close(None, PATIENCE)
    now = params | changed
    with pytest.raises(CheckpointError, match=said):
        load_version(policy, "g0", Version(0, now, optimizer.init(now)), optimizer.state_format)


def test_a_state_that_means_something_else_to_another_optimizer_is_refused(tmp_path):
    params = {"w": np.zeros(3, np.float32)}
    policy = SnapshotPolicy(str(tmp_path))
    velocity = Version(3, params, optim.SGD(0.1, momentum=0.9).init(params))
    snapshots = GateSnapshots(
        policy, "g0", 1, state_format=optim.SGD(0.1, momentum=0.9).state_format, on_failure=lambda *_: None
    )
    snapshots.begin()
    snapshots.write(velocity, 0.0)
    snapshots.close(None, PATIENCE)

    def resumed(optimizer):
        return load_version(policy, "g0", Version(0, params, optimizer.init(params)), optimizer.state_format)

    assert resumed(optim.SGD(0.2, momentum=0.5)).number == resumed(optim.Clip(optim.SGD(0.1, 0.9), norm=1)).number == 3
    for other in (optim.GapAware(optim.SGD(0.1)), optim.EMA(optim.SGD(0.1)), optim.Muon(0.1)):
        with pytest.raises(CheckpointError, match=r"'g0' is saved with the state of optim\.SGD\(\), and has optim\."):
            resumed(other)


@pytest.mark.parametrize(
    ("one", "another", "same"),
    [
        (optim.Adam(0.1), optim.Adam(0.2, weight_decay=0.1), True),
        (optim.Adam(0.1, beta1=0), optim.Adam(0.1, beta1=0.0), True),
        (optim.Adam(0.1), optim.Adam(0.1, beta2=0.99), False),
        (optim.Adam(0.1), optim.NAdam(0.1), False),
        (optim.NAdam(0.1), optim.NAdam(0.1, beta1=0.8, momentum_decay=0.1), True),
        (optim.DCASGDa(0.1), optim.DCASGDa(0.2, lam=1), True),
        (optim.DCASGDa(0.1), optim.DCASGDa(0.1, decay=0.99), False),
        (optim.EMA(optim.SGD(0.1)), optim.EMA(optim.SGD(0.1), decay=0.9), True),
        (optim.SGD(0.1, momentum=0.9), optim.WeightPrediction(optim.SGD(0.1, momentum=0.9)), True),
        (optim.SGD(0.1), optim.WeightPrediction(optim.SGD(0.1), rule="last-update"), False),
    ],
)
def test_a_state_means_the_same_where_its_numbers_have_the_same_scale(one, another, same):
    assert (one.state_format == another.state_format) is same


def test_the_scale_of_what_a_wrapper_adds_is_part_of_its_state():
    class Added(optim.EMA):
        scaled_by = ("decay",)

    assert Added(optim.Adam(0.1), decay=0.5).state_format == (
        "optim.Added(optim.Adam(beta1=0.9, beta2=0.999), decay=0.5)"
    )
