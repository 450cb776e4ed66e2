"""The thread of an actor: the only one that touches its core."""

import asyncio
import threading
from itertools import pairwise

import pytest

from tests.actors.engine.test_mailbox import backward, forward
from tests.support.numbered_samples import LIMIT
from tests.support.recording_behavior import RecordingBehavior, lived


def test_promise_2_the_whole_behavior_runs_in_one_thread():
    core = RecordingBehavior()

    async def story(thread):
        thread.mailbox.put("message")
        return await thread.call(lambda: core.note("call"), LIMIT), await thread.call(threading.current_thread, LIMIT)

    nothing, where = lived(story, core)
    assert nothing is None and where.name == "the actor"
    assert core.threads == {"the actor"}
    assert {"message", "call"} <= set(core.did) and core.did[0] == "on_timer" and core.did[-1] == "stop"


def test_a_call_is_answered_before_the_batches_that_wait():
    core = RecordingBehavior()

    async def story(thread):
        thread.mailbox.put("hold")
        assert core.entered.wait(LIMIT)
        thread.mailbox.put(forward(0))
        thread.mailbox.put(backward(1))
        call = asyncio.ensure_future(thread.call(lambda: core.note("call"), LIMIT))
        await asyncio.sleep(0)
        core.held.set()
        await call
        await thread.call(lambda: None, LIMIT)

    lived(story, core)
    order = [did for did in core.did if did != "on_timer"]
    assert order[:2] == ["hold", "call"] and order[-1] == "stop"


def test_an_error_in_a_call_is_raised_by_the_call_and_the_thread_continues():
    def broken():
        raise KeyError("of the call")

    async def story(thread):
        with pytest.raises(KeyError, match="of the call"):
            await thread.call(broken, LIMIT)
        return thread.alive, await thread.call(lambda: 7, LIMIT)

    assert lived(story, RecordingBehavior()) == (True, 7)


def test_the_timer_runs_first_and_then_after_the_interval_of_the_behavior():
    core = RecordingBehavior(patience=0.02)

    async def story(thread):
        for _ in range(5):
            core.ticked.clear()
            assert core.ticked.wait(LIMIT)

    lived(story, core)
    assert len(core.ticks) >= 5
    assert all(later - earlier >= 0.02 for earlier, later in pairwise(core.ticks))


def test_messages_do_not_hasten_the_timer_and_calls_do():
    core = RecordingBehavior(patience=1000.0)

    async def story(thread):
        for number in range(10):
            thread.mailbox.put(f"message {number}")
        return await thread.call(lambda: len(core.ticks), LIMIT)

    lived(story, core)
    assert core.did.index("message 9") > core.did.index("message 0") > 0
    assert len(core.ticks) == 2


def test_busy_are_the_seconds_of_work():
    core = RecordingBehavior()

    async def story(thread):
        before = thread.busy
        thread.mailbox.put("message")
        await thread.call(lambda: None, LIMIT)
        await thread.call(lambda: None, LIMIT)
        return before, thread.busy

    before, after = lived(story, core)
    assert before == 0.0 < after
