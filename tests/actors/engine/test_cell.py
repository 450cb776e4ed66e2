"""The thread of an actor: the only one that touches its behavior."""

import asyncio
import threading
from itertools import pairwise

import pytest

from tests.actors.engine.test_mailbox import backward, forward
from tests.support.numbered_samples import LIMIT
from tests.support.recording_behavior import RecordingBehavior, run_cell


def test_promise_2_the_whole_behavior_runs_in_one_thread():
    behavior = RecordingBehavior()

    async def story(cell):
        cell.mailbox.put("message")
        return await cell.call(lambda: behavior.note("call"), LIMIT), await cell.call(threading.current_thread, LIMIT)

    nothing, where = run_cell(story, behavior)
    assert nothing is None and where.name == "the actor"
    assert behavior.threads == {"the actor"}
    assert (
        {"message", "call"} <= set(behavior.calls) and behavior.calls[0] == "on_timer" and behavior.calls[-1] == "stop"
    )


def test_a_call_is_answered_before_the_batches_that_wait():
    behavior = RecordingBehavior()

    async def story(cell):
        cell.mailbox.put("hold")
        assert behavior.entered.wait(LIMIT)
        cell.mailbox.put(forward(0))
        cell.mailbox.put(backward(1))
        call = asyncio.ensure_future(cell.call(lambda: behavior.note("call"), LIMIT))
        await asyncio.sleep(0)
        behavior.held.set()
        await call
        await cell.call(lambda: None, LIMIT)

    run_cell(story, behavior)
    order = [call for call in behavior.calls if call != "on_timer"]
    assert order[:2] == ["hold", "call"] and order[-1] == "stop"


def test_an_error_in_a_call_is_raised_by_the_call_and_the_thread_continues():
    def broken():
        raise KeyError("of the call")

    async def story(cell):
        with pytest.raises(KeyError, match="of the call"):
            await cell.call(broken, LIMIT)
        return cell.alive, await cell.call(lambda: 7, LIMIT)

    assert run_cell(story, RecordingBehavior()) == (True, 7)


def test_the_timer_runs_first_and_then_after_the_interval_of_the_behavior():
    behavior = RecordingBehavior(interval=0.02)

    async def story(cell):
        for _ in range(5):
            behavior.timer_ran.clear()
            assert behavior.timer_ran.wait(LIMIT)

    run_cell(story, behavior)
    assert len(behavior.timers) >= 5
    assert all(later - earlier >= 0.02 for earlier, later in pairwise(behavior.timers))


def test_messages_do_not_hasten_the_timer_and_calls_do():
    behavior = RecordingBehavior(interval=1000.0)

    async def story(cell):
        for number in range(10):
            cell.mailbox.put(f"message {number}")
        return await cell.call(lambda: len(behavior.timers), LIMIT)

    run_cell(story, behavior)
    assert behavior.calls.index("message 9") > behavior.calls.index("message 0") > 0
    assert len(behavior.timers) == 2


def test_busy_are_the_seconds_of_work():
    behavior = RecordingBehavior()

    async def story(cell):
        before = cell.busy
        cell.mailbox.put("message")
        await cell.call(lambda: None, LIMIT)
        await cell.call(lambda: None, LIMIT)
        return before, cell.busy

    before, after = run_cell(story, behavior)
    assert before == 0.0 < after
