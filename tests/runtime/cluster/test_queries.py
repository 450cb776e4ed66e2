"""Answers are not awaited of a worker that is gone, however long it may take to answer."""

import asyncio

import dask.config
import pytest

from akkordeon_dask.runtime.cluster._queries import ask_workers, ping, while_known
from akkordeon_dask.runtime.handles._links import UnreachableError, check_links
from tests.support.patience import PATIENCE

HERE, THERE, GONE = "tcp://here", "tcp://there", "tcp://gone"


class Scheduler:
    """It knows two workers and has forgotten the third one; where it is `lost`, it does not answer."""

    def __init__(self, *, lost=False):
        self.lost = lost
        self.asked = asyncio.Event()

    async def ncores(self, workers):
        self.asked.set()
        if self.lost:
            raise OSError("the connection is broken")
        return {worker: 1 for worker in workers if worker != GONE}

    async def slow(self):
        """An answer that comes once somebody has looked at the workers."""
        await self.asked.wait()
        return "slow"


class Client:
    """Its calls to one worker have no end."""

    def __init__(self, scheduler):
        self.scheduler = scheduler

    async def run(self, function, *args, workers, on_error):
        if workers == [GONE]:
            await asyncio.Future()
        return {worker: function(*args, None) for worker in workers}


def answers(scheduler, questions):
    async def within(seconds):
        async with asyncio.timeout(seconds):
            return await while_known(Client(scheduler), questions)

    return asyncio.run(within(PATIENCE))


async def never():
    await asyncio.Future()


def test_only_what_needs_a_worker_that_is_gone_has_no_answer():
    scheduler = Scheduler()
    assert answers(scheduler, {"gone": (never(), [HERE, GONE]), "here": (scheduler.slow(), [HERE])}) == {"here": "slow"}


def test_a_scheduler_that_does_not_answer_says_nothing_of_a_worker():
    scheduler = Scheduler(lost=True)
    assert answers(scheduler, {"gone": (scheduler.slow(), [GONE])}) == {"gone": "slow"}


def test_an_error_ends_all_questions():
    ended = []

    async def endless():
        try:
            await asyncio.Future()
        finally:
            ended.append("endless")

    async def broken():
        await asyncio.sleep(0)
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        answers(Scheduler(), {"endless": (endless(), [HERE]), "broken": (broken(), [HERE])})
    assert ended == ["endless"]


def test_a_link_to_a_worker_that_is_gone_is_not_tried_on():
    class Actor:
        def __init__(self, worker):
            self.worker = self.label = worker

        async def poll(self, seconds, method, peers):
            if GONE in peers:
                await asyncio.Future()
            return dict.fromkeys(peers, "refused")

    here, there, gone = Actor(HERE), Actor(THERE), Actor(GONE)

    async def check(*routes):
        with dask.config.set({"akkordeon.timeouts.connect": "1000h"}):
            async with asyncio.timeout(PATIENCE):
                await check_links(Client(Scheduler()), routes)

    asyncio.run(check((here, gone), (there, gone)))
    with pytest.raises(UnreachableError, match=f"{THERE} to {HERE}: refused"):
        asyncio.run(check((here, gone), (there, here)))


def test_a_function_is_not_run_on_a_worker_that_is_gone():
    async def ask():
        async with asyncio.timeout(PATIENCE):
            return await ask_workers(Client(Scheduler()), ping, [HERE, GONE], limit=1e6)

    assert asyncio.run(ask()) == {HERE: True}
