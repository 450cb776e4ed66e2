"""The turns of an actor: one thread at a time touches its behavior."""

import asyncio
import threading
from itertools import pairwise

import pytest

from tests.actors.engine.test_mailbox import backward, forward
from tests.support.patience import PATIENCE
from tests.support.recording_behavior import RecordingBehavior, run_cell


def test_promise_2_the_whole_behavior_runs_in_a_thread_that_bears_the_actors_name():
    behavior = RecordingBehavior()

    async def story(cell):
        cell.put("message")
        return await cell.call(lambda: behavior.note("call"), PATIENCE), await cell.call(
            threading.current_thread, PATIENCE
        )

    names = []
    behavior.receive = lambda message: names.append(threading.current_thread().name) or behavior.note(message)
    nothing, where = run_cell(story, behavior)
    assert nothing is None and names == ["the actor"]
    assert behavior.threads == {where.ident}
    assert (
        {"message", "call"} <= set(behavior.calls) and behavior.calls[0] == "on_timer" and behavior.calls[-1] == "stop"
    )


def test_a_call_is_answered_before_the_batches_that_wait():
    behavior = RecordingBehavior()

    async def story(cell):
        cell.put("hold")
        assert behavior.entered.wait(PATIENCE)
        cell.put(forward(0))
        cell.put(backward(1))
        call = asyncio.ensure_future(cell.call(lambda: behavior.note("call"), PATIENCE))
        await asyncio.sleep(0)
        behavior.held.set()
        await call
        await cell.call(lambda: None, PATIENCE)

    run_cell(story, behavior)
    order = [call for call in behavior.calls if call != "on_timer"]
    assert order[:2] == ["hold", "call"] and order[-1] == "stop"


def test_an_error_in_a_call_is_raised_by_the_call_and_the_actor_continues():
    def broken():
        raise KeyError("of the call")

    async def story(cell):
        with pytest.raises(KeyError, match="of the call"):
            await cell.call(broken, PATIENCE)
        return cell.alive, await cell.call(lambda: 7, PATIENCE)

    assert run_cell(story, RecordingBehavior()) == (True, 7)


def test_the_timer_runs_first_and_then_after_the_interval_of_the_behavior():
    behavior = RecordingBehavior(interval=0.02)

    async def story(cell):
        for _ in range(5):
            behavior.timer_ran.clear()
            assert behavior.timer_ran.wait(PATIENCE)

    run_cell(story, behavior)
    assert len(behavior.timers) >= 5
    assert all(later - earlier >= 0.02 for earlier, later in pairwise(behavior.timers))


def test_messages_do_not_hasten_the_timer_and_calls_do():
    behavior = RecordingBehavior(interval=1000.0)

    async def story(cell):
        for number in range(10):
            cell.put(f"message {number}")
        return await cell.call(lambda: len(behavior.timers), PATIENCE)

    run_cell(story, behavior)
    assert behavior.calls.index("message 9") > behavior.calls.index("message 0") > 0
    assert len(behavior.timers) == 2


def test_busy_are_the_seconds_of_work():
    behavior = RecordingBehavior()

    async def story(cell):
        before = cell.busy
        cell.put("message")
        await cell.call(lambda: None, PATIENCE)
        await cell.call(lambda: None, PATIENCE)
        return before, cell.busy

    before, after = run_cell(story, behavior)
    assert 0.0 <= before < after  # its first timer may have run before


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, asyncio.CancelledError])
def test_what_would_end_an_event_loop_or_a_coroutine_is_a_plain_error_of_the_call(kind):
    def broken():
        raise kind("of the call")

    async def story(cell):
        with pytest.raises(RuntimeError, match=rf"{kind.__name__}: of the call \(raised in broken, "):
            await cell.call(broken, PATIENCE)
        return await cell.call(lambda: 7, PATIENCE)

    assert run_cell(story, RecordingBehavior()) == 7
