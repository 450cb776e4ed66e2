"""A lease that is taken when nobody waits for it any more."""

import asyncio
import threading
from types import SimpleNamespace

import dask.config
import pytest

from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.runtime import _lease
from akkordeon_dask.snapshots import SnapshotPolicy
from tests.support.patience import PATIENCE


@pytest.fixture
def store(monkeypatch):
    """A store that is asked for a lease, gives it when it may, and notes what is released."""
    found = SimpleNamespace(asked=threading.Event(), gives=threading.Event(), released=[], returned=threading.Event())

    def take_lease(wanted, *, take_over):
        found.asked.set()
        assert found.gives.wait(PATIENCE)
        return wanted

    def release_lease(lease):
        found.released.append(lease.network)
        found.returned.set()

    async def scheduler_id(client):
        return "scheduler"

    for function in (take_lease, release_lease, scheduler_id):
        monkeypatch.setattr(_lease, function.__name__, function)
    return found


def taking(tmp_path):
    entry = SimpleNamespace(snapshots=SnapshotPolicy(str(tmp_path)), generation=1, run="r", name="late")
    return _lease.take(None, entry, take_over=False)


def test_one_that_was_cancelled_meanwhile_is_released(store, tmp_path):
    async def story():
        task = asyncio.create_task(taking(tmp_path))
        assert await asyncio.to_thread(store.asked.wait, PATIENCE)
        task.cancel()
        store.gives.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(store.returned.wait, PATIENCE)

    asyncio.run(story())
    assert store.released == ["late"]


def test_one_that_comes_after_its_deadline_is_released_however_late_that_is(store, tmp_path, monkeypatch):
    settled = _lease.settled
    monkeypatch.setattr(_lease, "settled", lambda task: settled(task, 0.01))

    async def story():
        with pytest.raises(CheckpointError, match=r"did not answer within 0\.05 s: see whether it is up"):
            await taking(tmp_path)
        assert store.released == []
        store.gives.set()
        assert await asyncio.to_thread(store.returned.wait, PATIENCE)

    with dask.config.set({"akkordeon.timeouts.control": "50ms"}):
        asyncio.run(story())
    assert store.released == ["late"]
