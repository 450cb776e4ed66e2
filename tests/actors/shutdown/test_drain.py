"""Leaving by itself: who is waited for, how long, and why no longer; and whose signal SIGTERM is."""

import asyncio
import logging
import signal
from contextlib import contextmanager

import dask.config
import pytest

from akkordeon_dask.actors.shutdown._drain import ActorInfo, WorkerDrain
from tests.support.post_offices import Kept, holds, offices

GATE, OTHER = ActorInfo("net", "gate", "g0"), ActorInfo("net", "gate", "g1")
TRAINS, STRANGER = ActorInfo("net", "sentinel", "train0"), ActorInfo("another", "sentinel", "train0")


@contextmanager
def limits(leave="10m", patience="10m"):
    """By default so long that a test which waits for them fails."""
    with dask.config.set({"akkordeon.supervision.leave": leave, "akkordeon.supervision.patience": patience}):
        yield


def told(story, *residents, **spans):
    """Run a story of a worker with these residents, whose keys are their numbers; gives what users were told."""
    said = []

    async def run():
        leaving = WorkerDrain("worker alice", lambda *event: said.append(event))
        for number, resident in enumerate(residents):
            leaving.register(str(number), resident)
        async with asyncio.timeout(20):
            await story(leaving)

    with limits(**spans):
        asyncio.run(run())
    return said


def test_an_empty_worker_leaves_at_once():
    assert told(lambda leaving: leaving.leave()) == []


def test_each_network_is_told_once_of_all_that_is_here():
    async def story(leaving):
        leave = [asyncio.create_task(leaving.leave()) for _ in range(3)]
        await leaving.started.wait()
        for key in "012":
            leaving.unregister(key)
        await asyncio.gather(*leave)
        await leaving.leave()

    assert told(story, GATE, TRAINS, STRANGER) == [
        ("net", "worker alice is told to end, with gate 'g0', sentinel 'train0'"),
        ("another", "worker alice is told to end, with sentinel 'train0'"),
    ]


def test_it_waits_until_the_last_one_is_gone(caplog):
    async def story(leaving):
        leave = asyncio.create_task(leaving.leave())
        await leaving.started.wait()
        leaving.unregister("0")
        leaving.acknowledged("1")
        assert await asyncio.wait([leave], timeout=0.05) == (set(), {leave})
        leaving.unregister("1")
        await leave

    with caplog.at_level(logging.INFO):
        told(story, GATE, OTHER)
    assert "; gone: gate 'g0' of network 'net', gate 'g1' of network 'net'; lost: nothing" in caplog.text


def test_one_that_cannot_go_is_given_up_with_its_reason(caplog):
    async def story(leaving):
        leave = asyncio.create_task(leaving.leave())
        await leaving.started.wait()
        leaving.acknowledged("0")
        leaving.abandon("0", "there is no other worker")
        leaving.abandon("0", "something later")
        leaving.abandon("nobody", "is not here")
        await leave

    told(story, GATE)
    assert "; gone: nothing; lost: gate 'g0' of network 'net' (there is no other worker)" in caplog.text


def test_sentinels_are_given_up_with_a_gate_of_their_network_and_no_others_are():
    async def story(leaving):
        leave = asyncio.create_task(leaving.leave())
        await leaving.started.wait()
        leaving.abandon("0", "there is no other worker")
        assert await asyncio.wait([leave], timeout=0.05) == (set(), {leave})
        leaving.unregister("2")
        await leave

    told(story, GATE, TRAINS, STRANGER)


def test_what_nobody_asks_for_is_given_up_after_the_patience(caplog):
    told(lambda leaving: leaving.leave(), GATE, STRANGER, patience="20ms")
    assert caplog.text.count("nobody asked for it within 0.02 s") == 2


def test_the_patience_counts_from_when_somebody_last_asked(caplog):
    async def story(leaving):
        leaving.touched("0")
        leaving._asked["0"] -= 600
        await leaving.leave()

    told(story, GATE, patience="10m")
    assert "nobody asked for it within 600 s" in caplog.text


def test_who_waits_for_news_is_there_however_long_ago_it_asked():
    async def story(leaving):
        asks = asyncio.create_task(leaving.wait_for_drain("0", asyncio.Event(), 600))
        looks = asyncio.create_task(leaving.wait_for_drain("1", asyncio.Event(), 600, moves=False))
        await asyncio.wait([asks, looks], timeout=0.01)
        leaving._asked["0"] = leaving._asked["1"] = asyncio.get_running_loop().time() - 6000
        leave = asyncio.create_task(leaving.leave())
        assert await asks and not await looks  # who cannot move it does not count
        leaving.acknowledged("0")
        assert await asyncio.wait([leave], timeout=0.05) == (set(), {leave})
        leaving.unregister("0")
        await leave

    told(story, GATE, OTHER)


def test_who_has_heard_is_waited_for_up_to_the_limit(caplog):
    async def story(leaving):
        leaving.acknowledged("0")
        await leaving.leave()

    told(story, GATE, leave="50ms", patience="1ms")
    assert "gate 'g0' of network 'net' (did not go in time)" in caplog.text


def test_a_worker_that_closes_waits_for_nobody():
    async def story(leaving):
        leave = asyncio.create_task(leaving.leave())
        await leaving.started.wait()
        await leaving.end()
        assert leave.done() or await asyncio.wait_for(leave, 10) is None

    told(story, GATE, STRANGER)


def test_who_asks_is_told_until_the_actor_is_given_up_or_has_ended():
    async def story(leaving):
        ended = asyncio.Event()
        asks = asyncio.create_task(leaving.wait_for_drain("0", ended, 600))
        leave = asyncio.create_task(leaving.leave())
        assert await asks and await leaving.wait_for_drain("0", ended, 600)
        leaving.abandon("0", "there is no other worker")
        assert not await leaving.wait_for_drain("0", ended, 0.01)
        asks = asyncio.create_task(leaving.wait_for_drain("0", ended, 600))
        ended.set()
        assert not await asks
        await leave

    told(story, GATE)


def test_nobody_is_told_of_a_worker_that_stays():
    async def story(leaving):
        ended = asyncio.Event()
        assert not await leaving.wait_for_drain("0", ended, 0.01)
        asks = asyncio.create_task(leaving.wait_for_drain("0", ended, 600))
        ended.set()
        assert not await asks and not leaving.begun

    told(story, GATE)


@pytest.mark.parametrize("former", [signal.SIG_DFL, lambda number, frame: None], ids=["default", "a user's"])
def test_a_signal_to_a_process_that_is_no_workers_own_is_left_alone(former):
    async def story():
        async with offices("tcp://") as (here, there):
            assert signal.getsignal(signal.SIGTERM) is former
            assert not here.drain.begun and not there.drain.begun

    before = signal.signal(signal.SIGTERM, former)
    try:
        asyncio.run(story())
        assert signal.getsignal(signal.SIGTERM) is former
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_office_counts_its_residents_until_they_are_removed():
    async def story():
        async with offices("tcp://") as (here, _):
            here.add("actor", Kept().cell(), GATE)
            leave = asyncio.create_task(here.drain.leave())
            await holds(lambda: here.drain.begun)
            assert not leave.done()
            await here.remove("actor", 10)
            await asyncio.wait_for(leave, 10)

    with limits():
        asyncio.run(story())
