"""The drain of a worker alone: for which actors it waits, how long, and the reasons why no longer."""

import asyncio
import logging
import signal
from contextlib import contextmanager

import dask.config
import pytest

from akkordeon_dask.actors.shutdown._drain import ActorInfo, WorkerDrain
from tests.support.patience import PATIENCE
from tests.support.post_offices import Kept, holds, offices

GATE, OTHER = ActorInfo("net", "gate", "g0"), ActorInfo("net", "gate", "g1")
TRAINS, STRANGER = ActorInfo("net", "sentinel", "train0"), ActorInfo("another", "sentinel", "train0")


@contextmanager
def limits(leave="10m", patience="10m"):
    """By default so long that a test which waits for them fails."""
    with dask.config.set({"akkordeon.supervision.leave": leave, "akkordeon.supervision.patience": patience}):
        yield


def notified(story, *actors, **spans):
    """Run a story of a worker with these actors, whose keys are their numbers; returns the notifications of users."""
    events = []

    async def run():
        drain = WorkerDrain("worker alice", lambda *event: events.append(event))
        for number, info in enumerate(actors):
            drain.register(str(number), info)
        async with asyncio.timeout(PATIENCE):
            await story(drain)

    with limits(**spans):
        asyncio.run(run())
    return events


def test_an_empty_worker_is_drained_at_once():
    assert notified(lambda drain: drain.leave()) == []


def test_each_network_is_notified_once_of_its_actors_here():
    async def story(drain):
        leave = [asyncio.create_task(drain.leave()) for _ in range(3)]
        await drain.started.wait()
        for key in "012":
            drain.unregister(key)
        await asyncio.gather(*leave)
        await drain.leave()

    assert notified(story, GATE, TRAINS, STRANGER) == [
        ("net", "worker alice drains, with gate 'g0', sentinel 'train0'"),
        ("another", "worker alice drains, with sentinel 'train0'"),
    ]


def test_the_drain_waits_until_the_last_actor_is_gone(caplog):
    async def story(drain):
        leave = asyncio.create_task(drain.leave())
        await drain.started.wait()
        drain.unregister("0")
        drain.acknowledge("1")
        assert await asyncio.wait([leave], timeout=0.05) == (set(), {leave})
        drain.unregister("1")
        await leave

    with caplog.at_level(logging.INFO):
        notified(story, GATE, OTHER)
    assert "; gone: gate 'g0' of network 'net', gate 'g1' of network 'net'; lost: nothing" in caplog.text


def test_an_actor_that_cannot_move_is_abandoned_with_its_reason(caplog):
    async def story(drain):
        leave = asyncio.create_task(drain.leave())
        await drain.started.wait()
        drain.acknowledge("0")
        drain.abandon("0", "there is no other worker")
        drain.abandon("0", "something later")
        drain.abandon("nobody", "is not here")
        await leave

    notified(story, GATE)
    assert "; gone: nothing; lost: gate 'g0' of network 'net' (there is no other worker)" in caplog.text


def test_sentinels_are_abandoned_with_a_gate_of_their_network_and_no_others():
    async def story(drain):
        leave = asyncio.create_task(drain.leave())
        await drain.started.wait()
        drain.abandon("0", "there is no other worker")
        assert await asyncio.wait([leave], timeout=0.05) == (set(), {leave})
        drain.unregister("2")
        await leave

    notified(story, GATE, TRAINS, STRANGER)


def test_an_actor_whose_owner_does_not_poll_is_abandoned_after_the_patience(caplog):
    notified(lambda drain: drain.leave(), GATE, STRANGER, patience="20ms")
    assert caplog.text.count("its owner did not poll within 0.02 s") == 2


def test_the_patience_counts_from_the_last_poll(caplog):
    async def story(drain):
        drain.touched("0")
        drain._last_poll["0"] -= 600
        await drain.leave()

    notified(story, GATE, patience="10m")
    assert "its owner did not poll within 600 s" in caplog.text


def test_a_machine_that_stands_still_takes_no_patience(caplog):
    async def story(drain):
        leave, loop = asyncio.create_task(drain.leave()), asyncio.get_running_loop()
        await drain.started.wait()
        before = loop.time
        loop.time = lambda: before() + 60
        for _ in range(10):
            await asyncio.sleep(0)
        drain.unregister("0")
        await leave

    with caplog.at_level(logging.INFO):
        notified(story, GATE, patience="30s")
    assert "; gone: gate 'g0' of network 'net'; lost: nothing" in caplog.text


def test_a_waiting_poll_is_a_sign_of_life_however_long_ago_it_began():
    async def story(drain):
        asks = asyncio.create_task(drain.wait_for_drain("0", asyncio.Event(), 600))
        looks = asyncio.create_task(drain.wait_for_drain("1", asyncio.Event(), 600, moves=False))
        await asyncio.wait([asks, looks], timeout=0.01)
        drain._last_poll["0"] = drain._last_poll["1"] = asyncio.get_running_loop().time() - 6000
        leave = asyncio.create_task(drain.leave())
        assert await asks and not await looks  # who cannot move it does not count
        drain.acknowledge("0")
        assert await asyncio.wait([leave], timeout=0.05) == (set(), {leave})
        drain.unregister("0")
        await leave

    notified(story, GATE, OTHER)


def test_an_acknowledged_move_is_waited_for_up_to_the_limit(caplog):
    async def story(drain):
        drain.acknowledge("0")
        await drain.leave()

    notified(story, GATE, leave="50ms", patience="1ms")
    assert "gate 'g0' of network 'net' (did not move in time)" in caplog.text


def test_a_worker_that_closes_waits_for_nobody():
    async def story(drain):
        leave = asyncio.create_task(drain.leave())
        await drain.started.wait()
        await drain.end()
        assert leave.done() or await asyncio.wait_for(leave, PATIENCE) is None

    notified(story, GATE, STRANGER)


def test_a_poll_returns_true_until_the_actor_is_abandoned_or_has_ended():
    async def story(drain):
        ended = asyncio.Event()
        asks = asyncio.create_task(drain.wait_for_drain("0", ended, 600))
        leave = asyncio.create_task(drain.leave())
        assert await asks and await drain.wait_for_drain("0", ended, 600)
        drain.abandon("0", "there is no other worker")
        assert not await drain.wait_for_drain("0", ended, 0.01)
        asks = asyncio.create_task(drain.wait_for_drain("0", ended, 600))
        ended.set()
        assert not await asks
        await leave

    notified(story, GATE)


def test_a_poll_of_a_worker_that_stays_returns_false():
    async def story(drain):
        ended = asyncio.Event()
        assert not await drain.wait_for_drain("0", ended, 0.01)
        asks = asyncio.create_task(drain.wait_for_drain("0", ended, 600))
        ended.set()
        assert not await asks and not drain.begun

    notified(story, GATE)


@pytest.mark.parametrize("former", [signal.SIG_DFL, lambda number, frame: None], ids=["default", "a user's"])
def test_a_signal_to_a_process_that_is_no_workers_own_is_left_alone(former):
    async def story():
        async with offices("unix") as (here, there):
            assert signal.getsignal(signal.SIGTERM) is former
            assert not here.drain.begun and not there.drain.begun

    before = signal.signal(signal.SIGTERM, former)
    try:
        asyncio.run(story())
        assert signal.getsignal(signal.SIGTERM) is former
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_office_registers_its_actors_until_they_are_removed():
    async def story():
        async with offices("unix") as (here, _):
            here.add("actor", Kept().cell(), GATE)
            leave = asyncio.create_task(here.drain.leave())
            await holds(lambda: here.drain.begun)
            assert not leave.done()
            await here.remove("actor", PATIENCE)
            await asyncio.wait_for(leave, PATIENCE)

    with limits():
        asyncio.run(story())
