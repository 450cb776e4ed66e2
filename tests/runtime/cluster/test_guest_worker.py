"""This process as a worker, for as long as a sentinel needs its data."""

import asyncio
import logging
import threading
from functools import partial

import pytest
from distributed import Worker

from akkordeon_dask.errors import DeploymentError
from akkordeon_dask.runtime import GuestWorker
from akkordeon_dask.runtime.cluster import _guest_worker
from tests.support.patience import PATIENCE


def guests(cluster):
    return [str(one.name) for one in cluster.scheduler.workers.values() if str(one.name).startswith("sentinel-")]


def test_a_process_that_cannot_become_a_worker_gets_the_reason(cluster, somebody, eventually):
    with GuestWorker(somebody.client) as guest:
        assert guest.address in cluster.scheduler.workers
        with pytest.raises(DeploymentError, match=r"could not become a worker of .*name taken.*leave out --here"):
            GuestWorker(somebody.client).__enter__()
    eventually(lambda: not guests(cluster), seen=lambda: guests(cluster))


def test_a_guest_that_the_scheduler_does_not_reach_says_so_and_leaves(cluster, somebody, eventually, monkeypatch):
    monkeypatch.setattr(_guest_worker, "_REACH", 1.0)
    monkeypatch.setattr(_guest_worker, "Worker", partial(Worker, contact_address="tcp://192.0.2.1:9"))
    with pytest.raises(DeploymentError, match=r"does not reach this process at \S+: .*NAT"):
        GuestWorker(somebody.client).__enter__()
    eventually(lambda: not guests(cluster), seen=lambda: guests(cluster))


def test_a_guest_that_is_cancelled_while_it_joins_leaves_no_worker_behind(somebody, monkeypatch):
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
        task = asyncio.create_task(GuestWorker(somebody.client)._open())
        async with asyncio.timeout(PATIENCE):
            await joining.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return task.cancelled()

    assert somebody.client.sync(give_up)
    assert len(closed) == 1 and closed[0].status.name == "closed"


@pytest.mark.parametrize("under_way", [True, False], ids=["a heartbeat under way", "one that fails before"])
def test_only_a_heartbeat_that_the_end_cuts_off_is_not_logged(cluster, somebody, monkeypatch, caplog, under_way):
    log = logging.getLogger("distributed.worker")
    monkeypatch.setattr(log, "handlers", [*log.handlers, caplog.handler])
    answer, reached = cluster.scheduler.heartbeat_worker, threading.Event()

    async def hold(*, address, **more):
        if address != guest.address:
            return answer(address=address, **more)
        reached.set()
        if under_way:
            await released.wait()
        raise OSError("the network is gone")

    async def beat():
        return asyncio.create_task(guest._worker.heartbeat())

    with caplog.at_level(logging.ERROR, "distributed.worker"):
        with GuestWorker(somebody.client) as guest:
            released = asyncio.Event()
            monkeypatch.setitem(cluster.scheduler.handlers, "heartbeat_worker", hold)
            beating = somebody.client.sync(beat)
            assert reached.wait(PATIENCE)
            if not under_way:
                somebody.client.sync(asyncio.wait_for, beating, PATIENCE)
        somebody.client.sync(asyncio.wait_for, beating, PATIENCE)
        cluster.loop.add_callback(released.set)
    said = {record.getMessage() for record in caplog.records if record.name == log.name}
    assert said == (set() if under_way else {"Failed to communicate with scheduler during heartbeat."})
