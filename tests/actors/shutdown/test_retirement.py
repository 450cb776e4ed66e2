"""A retirement that is asked for while another one of the same worker is under way."""

import asyncio
from types import SimpleNamespace

from distributed.core import Status

from akkordeon_dask.actors.shutdown._hooks import STAY_OP
from akkordeon_dask.actors.shutdown._nanny import LEAVE_OP
from akkordeon_dask.actors.shutdown._retirement import RetirementPlugin, retire

WORKER, NOWHERE = "tcp://alice", "the cluster has no other worker"


class Scheduler:
    """As the plugin sees it: a worker with a gate, which finds no other one the first time that it is to leave."""

    def __init__(self):
        gate = SimpleNamespace(key="akkordeon-net-g0")
        self.workers = {WORKER: SimpleNamespace(actors=[gate], status=Status.running)}
        self.plugins = {RetirementPlugin.name: RetirementPlugin(self)}
        self.drains, self.began, self.another_worker_came = 0, asyncio.Event(), asyncio.Event()

    async def broadcast(self, msg, workers, on_error):
        assert msg["op"] in (LEAVE_OP, STAY_OP) and workers == [WORKER]
        if msg["op"] == STAY_OP:
            return {}
        self.drains += 1
        if self.drains > 1:
            self.workers[WORKER].actors.clear()
            return {WORKER: {"status": "OK", "stays": ""}}
        self.began.set()
        await self.another_worker_came.wait()
        return {WORKER: {"status": "OK", "stays": NOWHERE}}

    async def retire_workers(self, workers, close_workers, remove):
        for worker in workers:
            del self.workers[worker]


def test_a_retirement_does_not_take_the_answer_of_one_that_began_before():
    async def story():
        scheduler = Scheduler()
        first = asyncio.create_task(retire(WORKER, scheduler))
        await scheduler.began.wait()
        joined = asyncio.create_task(retire(WORKER, scheduler))
        await asyncio.sleep(0)  # it waits for the one under way
        scheduler.another_worker_came.set()
        return await first, await joined, list(scheduler.workers)

    assert asyncio.run(story()) == (NOWHERE, "", [])
