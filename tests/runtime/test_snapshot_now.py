"""`running.snapshot()` is where a resumed run goes on."""

import shutil

import dask
import pytest

from akkordeon_dask import connect
from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.runtime._cuts import CutNetwork
from akkordeon_dask.snapshots import SnapshotPolicy, complete_cuts
from tests.runtime.test_resuming import ADAM, trained
from tests.support.gate_versions import versions
from tests.support.patience import PATIENCE
from tests.support.restarting_workers import run_folder
from tests.support.small_networks import equal, train


def newest_cut(folder):
    return complete_cuts(SnapshotPolicy(str(run_folder(folder))))[0].numbers


@pytest.fixture(autouse=True)
def patient():
    """However busy the machine is, batches have the time to come back."""
    with dask.config.set({"akkordeon.snapshots.cut-deadline": PATIENCE}):
        yield


def test_a_run_that_is_resumed_goes_on_there(user, tmp_path):
    first, copy = tmp_path / "first", tmp_path / "copy"
    with user.deploy(ADAM, snapshots=str(first), snapshot_every="1h") as running:
        running.attach(train(concurrency=3))
        running.wait(epochs=3, timeout=PATIENCE)
        kept, known = running.snapshot(), running.parameters()
        assert kept == versions(running) and min(kept.values()) > 0
        shutil.copytree(first, copy)  # as it is when the program is killed now
        running.wait(epochs=1, timeout=PATIENCE)
    with user.deploy(ADAM, resume=str(copy), snapshot_every="1h", take_over=True) as running:
        assert versions(running) == kept
        assert equal(running.parameters(), known)


def test_snapshots_in_the_middle_of_training_are_of_one_moment(user, tmp_path):
    with user.deploy(ADAM, snapshots=str(tmp_path), snapshot_every="1h") as running:
        running.attach(train(concurrency=3), epochs=10**6)
        for _ in range(3):
            kept = running.snapshot()
            assert len(set(kept.values())) == 1
            assert newest_cut(tmp_path) == kept


def test_another_client_has_the_owner_make_one(user, somebody, tmp_path):
    with somebody.deploy(ADAM, name="asked", snapshots=str(tmp_path), snapshot_every="1h") as owned:
        trained(owned)
        with user.call(connect, "asked", user.client) as running:
            kept = running.snapshot()
        assert kept == versions(owned)
        assert newest_cut(tmp_path) == kept


def test_where_there_is_no_one_moment_the_gates_have_written_and_the_error_says_so(user, tmp_path, monkeypatch):
    with user.deploy(ADAM, snapshots=str(tmp_path), snapshot_every="1h") as running:
        trained(running)

        async def take(self, count=0, *, go_on=True):
            raise CheckpointError("a training sentinel came or went meanwhile")

        with monkeypatch.context() as patch:
            patch.setattr(CutNetwork, "take", take)
            with pytest.raises(CheckpointError, match=r"each gate .* but .* \(a training sentinel .*: snapshot again"):
                running.snapshot()
        assert running.snapshot() == versions(running)
