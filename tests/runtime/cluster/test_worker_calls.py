"""However many of a worker's actors a client calls, few requests are under way."""

import asyncio
from types import SimpleNamespace

import dask.config
import pytest
from distributed.protocol.pickle import dumps

from akkordeon_dask.actors import CALLS_OP
from akkordeon_dask.runtime.cluster import _worker_calls
from akkordeon_dask.runtime.cluster._worker_calls import call_on_worker
from tests.support.patience import PATIENCE, scaled


class Connections:
    """To a scheduler: a client's pool of them."""

    def __init__(self):
        self.refused = self.hanging = 0
        """How many are still to be refused, and to be neither made nor refused."""

    async def connect(self, address):
        if self.refused:
            self.refused -= 1
            raise OSError(f"Timed out trying to connect to {address}")
        if self.hanging:
            self.hanging -= 1
            await asyncio.Future()
        return address

    def reuse(self, address, connection):
        assert address == connection


class Worker:
    """As a client sees it, through its scheduler: calls to `quick` are answered at once, others when it is told to."""

    def __init__(self):
        self.open = self.most = self.calls = 0
        self.expected, self.arrived = 1, asyncio.Event()
        self.broken: OSError | None = None
        self.waiting: list[tuple[int, str]] = []
        self.silent, self.changed = False, asyncio.Event()

    address = "tcp://scheduler"

    async def proxy(self, worker, msg):
        assert msg["op"] == CALLS_OP
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            return await self._answers(**msg)
        finally:
            self.open -= 1

    async def _answers(self, op, sender, calls, seconds):
        self.waiting += [(number, actor) for number, actor, *_ in calls]
        self.calls += len(calls)
        if self.calls >= self.expected:
            self.arrived.set()
        self.tell()
        try:
            async with asyncio.timeout(seconds):
                while self.silent or not (ready := self._ready()) or not seconds:
                    if self.broken is not None:
                        raise self.broken
                    if not seconds and not self.silent:
                        return []
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            return [] if not self.silent else await asyncio.Future()
        self.waiting = [one for one in self.waiting if one not in ready]
        return [(number, False, dumps(actor)) for number, actor in ready]

    def _ready(self):
        return [one for one in self.waiting if one[1].startswith("quick")]

    def tell(self):
        self.changed.set()

    def answer_all(self):
        self.waiting = [(number, f"quick {actor}") for number, actor in self.waiting]
        self.tell()

    async def has(self, calls):
        """Wait until so many calls have come, in all."""
        self.expected = calls
        if self.calls < calls:
            self.arrived.clear()
            await self.arrived.wait()


def told(story, **settings):
    async def limited():
        worker = Worker()
        client = SimpleNamespace(
            id="client", direct_to_workers=False, scheduler=worker, rpc=Connections(), status="running"
        )
        async with asyncio.timeout(PATIENCE):
            result = await story(worker, client)
        assert not _worker_calls._calls and worker.open == 0, "something is left"
        return result

    with dask.config.set(settings):
        return asyncio.run(limited())


async def method():
    """Of an actor."""


def begin(client, actor, **options):
    return asyncio.create_task(call_on_worker(client, "tcp://worker", actor, method, (), {}, **options))


@pytest.mark.parametrize("actors", [1, 10, 1000])
def test_two_requests_are_open_at_most_however_many_actors_are_waited_for(actors):
    async def story(worker, client):
        slow = [begin(client, f"slow {number}") for number in range(actors)]
        await worker.has(actors)
        for number in range(10):  # while they wait, others are called
            assert await begin(client, f"quick {number}") == f"quick {number}"
        later = [begin(client, f"late {number}") for number in range(actors)]
        await worker.has(2 * actors + 10)
        worker.answer_all()
        assert await asyncio.gather(*slow, *later) == [
            f"quick {kind} {number}" for kind in ("slow", "late") for number in range(actors)
        ]
        return worker.most

    assert told(story) <= 2


def test_a_broken_connection_fails_all_that_wait_and_nothing_else():
    async def story(worker, client):
        calls = [begin(client, f"slow {number}") for number in range(20)]
        await worker.has(20)
        worker.broken = OSError("cut")
        worker.tell()
        errors = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(error, OSError) and "cut" in str(error) for error in errors)
        worker.broken = None
        assert await begin(client, "quick") == "quick"

    told(story)


def test_a_connection_to_the_scheduler_that_cannot_be_made_is_no_word_of_the_worker():
    async def story(worker, client):
        slow = begin(client, "slow")
        await worker.has(1)
        client.rpc.refused = 2
        assert await begin(client, "quick") == "quick" and client.rpc.refused == 0
        assert not slow.done() and worker.calls == 2
        worker.answer_all()
        await slow
        client.rpc.refused, client.status = 1, "connecting"
        with pytest.raises(OSError, match="Timed out trying to connect to tcp://scheduler"):
            await begin(client, "quick")

    told(story)


def test_a_call_that_waits_for_a_connection_when_its_request_is_given_up_is_sent_by_the_next_one():
    async def story(worker, client):
        client.rpc.hanging = 1
        assert await begin(client, "quick") == "quick" and worker.calls == 1

    told(story, **{"akkordeon.timeouts.control": scaled(0.1)})


def test_silence_fails_those_who_mind_it_and_the_others_wait_on():
    async def story(worker, client):
        worker.silent = True
        minds, waits = begin(client, "quick", silence=0.5), begin(client, "quick")
        with pytest.raises(TimeoutError):
            await minds
        assert not waits.done()
        worker.silent = False
        worker.tell()
        assert await waits == "quick"

    told(story)


def test_an_actor_whose_future_says_that_it_is_gone_is_not_waited_for():
    async def story(worker, client):
        future = SimpleNamespace(status="finished")
        gone, other = begin(client, "slow gone", future=future), begin(client, "slow other")
        await worker.has(2)
        future.status = "lost"
        with pytest.raises(OSError, match="lost"):
            await gone
        assert not other.done()
        worker.answer_all()
        await other

    told(story)


def test_callers_that_are_cut_short_leave_no_request():
    async def story(worker, client):
        calls = [begin(client, f"slow {number}") for number in range(5)]
        await worker.has(5)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert all(call.cancelled() for call in calls)

    told(story)


def test_seconds_that_this_process_was_late_itself_are_no_silence_of_the_worker():
    late, check = 0.2, _worker_calls._CHECK

    async def story(worker, client):
        loop = asyncio.get_running_loop()
        now = loop.time()
        loop.time = lambda: now  # type: ignore[method-assign]
        worker.silent = True
        call = begin(client, "quick", silence=3.5 * check)
        await worker.has(1)

        async def look():
            nonlocal now
            now += check + late
            for _ in range(10):
                await asyncio.sleep(0)

        for _ in range(3):
            await look()
        assert not call.done()
        await look()
        with pytest.raises(TimeoutError):
            await call
        del loop.time

    told(story)
