"""The threads of a process: one at a time is at an actor, and heavy computations run beside one another."""

import asyncio
import hashlib
import logging
import os
import re
import threading
import time
from pathlib import Path

import pytest

from akkordeon_dask.actors.engine import _compute_thread
from akkordeon_dask.actors.engine._cell import HEAVY, WORTH_A_THREAD
from akkordeon_dask.actors.engine._mailbox import BACKWARD, FORWARD
from tests.actors.engine.test_mailbox import backward, forward
from tests.support.computing_behavior import ComputingBehavior
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.recording_behavior import RecordingBehavior, run_cell
from tests.support.standing_clock import Clock


def computing():
    return [thread for thread in threading.enumerate() if thread.name.startswith(("akkordeon compute", "actor "))]


def look(dispatcher, clock, seconds):
    """Inspect the threads again and again, for so many seconds."""
    for _ in range(round(10 * seconds)):
        clock.now += 0.1
        dispatcher._inspect()


def test_a_thread_has_the_name_of_its_actor_for_the_time_of_a_turn(dispatchers):
    behavior = RecordingBehavior()
    dispatcher, (cell,) = dispatchers(behaviors=[behavior])
    cell.put("hold")
    assert behavior.entered.wait(PATIENCE)
    (thread,) = computing()
    assert thread.name == "actor 0"
    cell.stop()  # the thread ends after its turn, without having been parked
    behavior.held.set()
    asyncio.run(cell.stopped(PATIENCE))
    dispatcher.join(PATIENCE)
    assert not thread.is_alive() and thread.name == "akkordeon compute 0"


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_promise_2_one_thread_at_a_time_is_at_an_actor_and_no_message_is_lost(dispatchers, threads):
    behaviors = [ComputingBehavior() for _ in range(3)]
    _, cells = dispatchers(threads, behaviors)
    start = threading.Barrier(4)

    def post(which):
        start.wait(PATIENCE)
        for number in range(which, 400, 4):
            cells[number % 3].put(backward(number) if number % 2 else forward(number))

    posts = [threading.Thread(target=post, args=[which]) for which in range(4)]
    for thread in posts:
        thread.start()
    wait_until(lambda: sum(call.endswith("applied") for one in behaviors for call in one.calls) == 400)
    for number in range(400):
        calls = behaviors[number % 3].calls
        found = [call for call in calls if call in (f"received {number}", f"batch {number} applied")]
        assert found == [f"received {number}", f"batch {number} applied"]
    assert not any(one.error for one in cells)
    for thread in posts:
        thread.join(PATIENCE)


def test_a_hundred_actors_have_as_many_threads_as_one(dispatchers):
    behaviors = [ComputingBehavior() for _ in range(164)]
    _, cells = dispatchers(2, behaviors)
    for cell in cells:
        cell.put(forward(0))
    wait_until(lambda: all("batch 0 sent" in one.calls for one in behaviors))
    assert len(computing()) <= 2


def test_heavy_computations_of_one_actor_run_beside_one_another(dispatchers):
    meeting = threading.Barrier(2)
    behavior = ComputingBehavior(lambda: meeting.wait(PATIENCE))
    _, (cell,) = dispatchers(2, [behavior])
    cell.put(forward(0))
    cell.put(forward(1))
    wait_until(lambda: len([call for call in behavior.calls if call.endswith("sent")]) == 2)
    for sequence in (0, 1):
        calls = behavior.calls
        assert calls.index(f"received {sequence}") < calls.index(f"batch {sequence} applied")


def test_the_cost_of_all_cheap_messages_is_known_where_actors_take_turns_in_one_rhythm(dispatchers):
    behaviors = [RecordingBehavior(), *(ComputingBehavior() for _ in range(4))]
    _, (first, *cells) = dispatchers(1, behaviors, clock=Clock(), messages_per_turn=4)
    first.put("hold")
    assert behaviors[0].entered.wait(PATIENCE)
    for sequence in range(400):
        for cell in cells:
            cell.put(forward(sequence))
    behaviors[0].held.set()
    wait_until(lambda: all("batch 399 sent" in one.calls for one in behaviors[1:]))
    assert all(cell.costs[FORWARD] < HEAVY / 2 for cell in cells)


def test_one_thread_computes_one_thing_at_a_time(dispatchers):
    most, here = [0], []

    def compute():
        here.append(1)
        most[0] = max(most[0], len(here))
        here.pop()

    behaviors = [ComputingBehavior(compute) for _ in range(4)]
    _, cells = dispatchers(1, behaviors)
    for sequence in range(20):
        for cell in cells:
            cell.put(forward(sequence))
    wait_until(lambda: all(one.calls.count("batch 19 sent") == 1 for one in behaviors))
    assert most == [1] and len({thread for one in behaviors for thread in one.threads}) == 1


def test_a_call_waits_for_computations_that_run_beside_the_actor():
    go, begun = threading.Event(), threading.Event()
    behavior = ComputingBehavior(lambda: (begun.set(), go.wait(PATIENCE)))

    async def story(cell):
        cell.put(forward(0))
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        call = asyncio.ensure_future(cell.call(lambda: list(behavior.calls), PATIENCE))
        await asyncio.sleep(0)
        cell.put(forward(1))
        go.set()
        return await call

    calls = run_cell(story, behavior, threads=2)
    assert "batch 0 applied" in calls and "received 1" not in calls


def test_a_message_that_has_to_wait_is_handled_once_the_computations_are_applied():
    go, begun = threading.Event(), threading.Event()
    behavior = ComputingBehavior(lambda: (begun.set(), go.wait(PATIENCE)), holds={1})

    async def story(cell):
        cell.put(forward(0))
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        cell.put(forward(1))
        cell.put(forward(2))
        go.set()
        await asyncio.to_thread(wait_until, lambda: "batch 2 applied" in behavior.calls)

    run_cell(story, behavior, threads=2)
    order = [call for call in behavior.calls if call.startswith("received") or call == "batch 0 applied"]
    assert order == ["received 0", "batch 0 applied", "received 1", "received 2"]


@pytest.mark.parametrize("cost", [0.0, (HEAVY + WORTH_A_THREAD) / 2])
def test_messages_that_are_not_worth_it_wake_no_second_thread(dispatchers, cost):
    behavior = ComputingBehavior()
    _, (cell,) = dispatchers(2, [behavior], clock=Clock())
    cell.costs = [cost] * len(cell.costs)
    for sequence in range(50):
        cell.put(forward(sequence))
    wait_until(lambda: "batch 49 sent" in behavior.calls)
    assert len(computing()) == 1


def test_the_cost_of_a_message_follows_its_cpu_seconds(dispatchers):
    _, (cell,) = dispatchers(1, [RecordingBehavior()])
    assert cell.costs[FORWARD] >= HEAVY and cell.costs[BACKWARD] >= HEAVY
    for _ in range(50):
        cell.observe_cost(FORWARD, HEAVY / 10)
    assert cell.costs[FORWARD] < HEAVY <= cell.costs[BACKWARD]
    cell.observe_cost(FORWARD, 5 * HEAVY)
    assert cell.costs[FORWARD] < HEAVY  # one slow run in many changes little


def test_a_thread_that_sits_in_one_message_without_computing_is_replaced_and_named(dispatchers, caplog):
    clock, stuck, other, told = Clock(), RecordingBehavior(), RecordingBehavior(), []
    dispatcher, (blocked, free) = dispatchers(1, [stuck, other], clock=clock, on_stuck=told.append)
    blocked.put("hold")
    assert stuck.entered.wait(PATIENCE)
    free.put("message")
    look(dispatcher, clock, 0.2)
    clock.now = 1000.0  # the machine slept
    look(dispatcher, clock, 0.2)
    assert "message" not in other.calls and not caplog.records
    with caplog.at_level(logging.WARNING):
        look(dispatcher, clock, 1.0)
    wait_until(lambda: "message" in other.calls and told)  # the watch may have seen it first, and tells it last
    (record,) = caplog.records
    assert re.match(r"actor 0 has spent 1\.[01] s with one message and hardly used the CPU", record.message)
    assert told == [record.message]
    stuck.held.set()
    wait_until(lambda: "hold" in stuck.calls and len(computing()) <= 1)


def test_a_thread_that_only_wants_a_core_is_not_stuck(dispatchers, caplog, monkeypatch):
    clock, behavior = Clock(), RecordingBehavior()
    monkeypatch.setattr(_compute_thread, "seconds_without_core", lambda thread: 0.9 * clock.now)
    dispatcher, (cell,) = dispatchers(1, [behavior], clock=clock)
    cell.put("hold")
    assert behavior.entered.wait(PATIENCE)
    look(dispatcher, clock, 9.0)
    assert not caplog.records and not any(one.stuck for one in dispatcher._all)
    behavior.held.set()


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this system does not tell how long threads wait")
def test_a_thread_that_shares_its_core_waits_for_it():
    ends = threading.Event()

    def compute():
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])  # of this thread
        while not ends.is_set():
            hashlib.sha256(bytes(2**20))  # without the interpreter's lock

    threads = [threading.Thread(target=compute) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: min(map(_compute_thread.seconds_without_core, threads)) > 0.01)
    finally:
        ends.set()
        for thread in threads:
            thread.join(PATIENCE)


def test_no_more_than_four_threads_are_replaced(dispatchers):
    clock, behaviors = Clock(), [RecordingBehavior() for _ in range(7)]
    dispatcher, cells = dispatchers(1, behaviors, clock=clock)
    for number, (behavior, cell) in enumerate(zip(behaviors, cells, strict=True)):
        cell.put("hold")
        if number < 5:
            assert behavior.entered.wait(PATIENCE)
        look(dispatcher, clock, 2.0)
    assert len(computing()) == 5
    assert not any(behavior.entered.is_set() for behavior in behaviors[5:])


def test_a_computation_that_waits_for_a_device_is_not_stuck(dispatchers, caplog):
    go, begun, clock = threading.Event(), threading.Event(), Clock()
    behavior = ComputingBehavior(lambda: (begun.set(), go.wait(PATIENCE)), waits=True)
    dispatcher, (cell,) = dispatchers(2, [behavior], clock=clock)
    cell.put(forward(0))
    assert begun.wait(PATIENCE)
    look(dispatcher, clock, 50.0)
    go.set()
    wait_until(lambda: "batch 0 sent" in behavior.calls)
    assert not caplog.records


@pytest.mark.parametrize("waits", [False, True])
def test_promise_12_a_computation_that_takes_too_long_is_told_until_it_ends(dispatchers, caplog, waits):
    go, begun, clock = threading.Event(), threading.Event(), Clock()
    behavior = ComputingBehavior(lambda: (begun.set(), go.wait(PATIENCE)), waits=waits)
    dispatcher, (cell,) = dispatchers(2, [behavior], clock=clock)
    cell.longest = 6.0  # a sample: 20 times that, by 4 samples, are 480 seconds
    cell.put(forward(0))
    assert begun.wait(PATIENCE)
    clock.now += 10_000.0  # the machine slept
    while not cell.stuck and clock.now < 11_000.0:
        assert not any("has computed for" in record.message for record in caplog.records)
        look(dispatcher, clock, 0.1)
    assert 10_480 < clock.now < 10_490
    assert "has computed for 480 s with batch 0, 4 samples, for which it took 24 s at most before" in cell.stuck
    assert ("it waits for a device" if waits else "its thread uses no CPU") in cell.stuck
    assert cell.hangs is not waits
    assert "wait (" in cell.stuck and "threading.py:" in cell.stuck
    look(dispatcher, clock, 2.0)
    assert sum("has computed for" in record.message for record in caplog.records) == 1
    go.set()
    wait_until(lambda: "batch 0 sent" in behavior.calls)
    wait_until(lambda: dispatcher._inspect() and not cell.stuck)
    assert not cell.hangs


def test_a_long_computation_that_uses_the_cpu_does_not_hang(dispatchers):
    go, begun, clock = threading.Event(), threading.Event(), Clock()

    def compute():
        begun.set()
        end = time.monotonic() + PATIENCE
        while not go.is_set() and time.monotonic() < end:
            pass

    behavior = ComputingBehavior(compute)
    dispatcher, (cell,) = dispatchers(2, [behavior], clock=clock)
    dispatcher.stalls.limit = 0.01
    cell.put(forward(0))
    assert begun.wait(PATIENCE)
    cpu = time.process_time()

    def told():
        clock.now += 0.03
        dispatcher._inspect()
        return cell.stuck and time.process_time() > cpu + 0.5

    wait_until(told)
    assert not cell.hangs and "of CPU" in cell.stuck
    go.set()
    wait_until(lambda: "batch 0 sent" in behavior.calls)


def test_a_reader_gives_the_turns_itself_and_wakes_no_thread(dispatchers):
    behaviors = [ComputingBehavior(), ComputingBehavior()]
    dispatcher, cells = dispatchers(1, behaviors, clock=Clock())
    wait_until(lambda: all(one.calls == ["on_timer"] for one in behaviors) and dispatcher._leader is None)
    for cell in cells:
        cell.costs = [0.0] * len(cell.costs)
    dispatcher.deliver(lambda: [cell.put(forward(0)) for cell in cells])
    assert all("batch 0 sent" in one.calls for one in behaviors)
    assert all(threading.get_ident() in one.threads for one in behaviors)


def test_a_reader_leaves_heavy_work_to_others(dispatchers):
    behavior = ComputingBehavior()
    dispatcher, (cell,) = dispatchers(1, [behavior])
    wait_until(lambda: behavior.calls == ["on_timer"] and dispatcher._leader is None)
    dispatcher.deliver(lambda: cell.put(forward(0)))
    wait_until(lambda: "batch 0 sent" in behavior.calls)
    assert threading.get_ident() not in behavior.threads


def test_a_reader_leaves_heavy_work_that_comes_during_its_turn_to_others(dispatchers):
    behavior = ComputingBehavior()
    dispatcher, (cell,) = dispatchers(1, [behavior])
    wait_until(lambda: behavior.calls == ["on_timer"] and dispatcher._leader is None)
    cell.costs[FORWARD] = 0.0
    threads = []

    def compute():
        threads.append(threading.get_ident())
        if len(threads) == 1:
            cell.put(backward(1))

    behavior.run_it = compute
    dispatcher.deliver(lambda: cell.put(forward(0)))
    wait_until(lambda: "batch 1 sent" in behavior.calls)
    first, second = threads
    assert first == threading.get_ident() != second


def test_a_reader_that_is_stuck_is_named(dispatchers, caplog):
    clock, behavior, told = Clock(), RecordingBehavior(), []
    dispatcher, (cell,) = dispatchers(1, [behavior], clock=clock, on_stuck=told.append)
    wait_until(lambda: behavior.calls == ["on_timer"] and dispatcher._leader is None)
    reader = threading.Thread(target=lambda: dispatcher.deliver(lambda: cell.put("hold")))
    reader.start()
    assert behavior.entered.wait(PATIENCE)
    look(dispatcher, clock, 2.5)
    wait_until(lambda: told)  # the watch may have seen it first
    behavior.held.set()
    reader.join(PATIENCE)
    (record,) = caplog.records
    assert re.match(r"actor 0 has spent 1\.[01] s with one message", record.message)


def test_a_reader_only_delivers_where_no_place_is_free(dispatchers):
    behaviors = [RecordingBehavior(), RecordingBehavior()]
    dispatcher, (busy, cell) = dispatchers(1, behaviors, clock=Clock())
    busy.put("hold")
    assert behaviors[0].entered.wait(PATIENCE)
    dispatcher.deliver(lambda: cell.put("message"))
    assert "message" not in behaviors[1].calls
    behaviors[0].held.set()
    wait_until(lambda: "message" in behaviors[1].calls)
    assert threading.get_ident() not in behaviors[1].threads


def test_fewer_threads_are_left_where_there_shall_be_fewer(dispatchers):
    meeting = threading.Barrier(3)
    behaviors = [ComputingBehavior(lambda: meeting.wait(PATIENCE)) for _ in range(3)]
    dispatcher, cells = dispatchers(3, behaviors)
    for cell in cells:
        cell.put(forward(0))
    wait_until(lambda: all("batch 0 sent" in one.calls for one in behaviors))
    dispatcher.threads = 1
    for cell, behavior in zip(cells, behaviors, strict=True):
        behavior.run_it = lambda: None
        cell.put(forward(1))
    wait_until(lambda: all("batch 1 sent" in one.calls for one in behaviors))
    assert len({thread for thread in computing() if thread.name.startswith("actor ")}) <= 1
