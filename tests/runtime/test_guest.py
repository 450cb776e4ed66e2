"""This process as a worker, for as long as a sentinel needs its data."""

import asyncio

import pytest
from distributed import Worker

from akkordeon_dask.errors import DeploymentError
from akkordeon_dask.runtime import Guest


def guests(cluster):
    return [str(one.name) for one in cluster.scheduler.workers.values() if str(one.name).startswith("sentinel-")]


def test_a_process_that_cannot_become_a_worker_is_told_why(cluster, somebody, eventually):
    with Guest(somebody.client) as guest:
        assert guest.address in cluster.scheduler.workers
        with pytest.raises(DeploymentError, match=r"could not become a worker of .*name taken.*leave out --here"):
            Guest(somebody.client).__enter__()
    eventually(lambda: not guests(cluster), seen=lambda: guests(cluster))


def test_who_gives_up_while_it_joins_leaves_no_worker_behind(somebody, monkeypatch):
    joining, closed = asyncio.Event(), []

    async def held_up(worker):
        joining.set()
        await asyncio.Event().wait()

    async def close(worker, **options):
        closed.append(worker)
        return await original(worker, **options)

    original = Worker.close
    monkeypatch.setattr(Worker, "_register_with_scheduler", held_up)
    monkeypatch.setattr(Worker, "close", close)

    async def give_up():
        task = asyncio.create_task(Guest(somebody.client)._open())
        async with asyncio.timeout(20):
            await joining.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return task.cancelled()

    assert somebody.client.sync(give_up)
    assert len(closed) == 1 and closed[0].status.name == "closed"
