"""The end of an actor: every pending call gets an error."""

import asyncio
import threading

import pytest

from akkordeon_dask.errors import ClosedError
from tests.support.patience import PATIENCE
from tests.support.recording_behavior import RecordingBehavior, run_cell


def test_a_call_of_a_stopped_cell_raises_an_error():
    async def story(cell):
        cell.stop()
        await cell.stopped(PATIENCE)
        assert not cell.alive
        with pytest.raises(ClosedError, match="the actor is closed: deploy or attach it again"):
            await cell.call(lambda: None, PATIENCE)

    run_cell(story, RecordingBehavior())


async def pending_calls(cell, behavior, count=3):
    """Calls that wait behind a message that is worked on, in an actor that shall stop after it."""
    cell.put("hold")
    assert behavior.entered.wait(PATIENCE)
    calls = [asyncio.ensure_future(cell.call(lambda: behavior.note("call"), PATIENCE)) for _ in range(count)]
    await asyncio.sleep(0)
    cell.stop()
    return calls


def test_calls_that_wait_at_the_end_learn_that_there_will_be_no_answer():
    behavior = RecordingBehavior()

    async def story(cell):
        calls = await pending_calls(cell, behavior)
        behavior.held.set()
        return await asyncio.gather(*calls, return_exceptions=True)

    assert [type(answer) for answer in run_cell(story, behavior)] == [ClosedError] * 3
    assert "call" not in behavior.calls


def test_a_cancelled_call_does_not_keep_the_actor_from_its_end():
    behavior, ends = RecordingBehavior(), []

    async def story(cell):
        given_up, *_ = calls = await pending_calls(cell, behavior)
        given_up.cancel()
        await asyncio.sleep(0)
        behavior.held.set()
        return await asyncio.gather(*calls, return_exceptions=True)

    answers = run_cell(story, behavior, ended=lambda: ends.append("ended"))
    assert [type(answer) for answer in answers] == [asyncio.CancelledError, ClosedError, ClosedError]
    assert ends == ["ended"]


def test_a_call_while_the_actor_ends_is_not_left_waiting():
    behavior, leaving, left = RecordingBehavior(), threading.Event(), threading.Event()

    def ended():
        leaving.set()
        assert left.wait(PATIENCE)

    async def story(cell):
        cell.stop()
        assert leaving.wait(PATIENCE)
        call = asyncio.ensure_future(cell.call(lambda: behavior.note("call"), PATIENCE))
        await asyncio.sleep(0)
        left.set()
        await cell.stopped(PATIENCE)
        # The answer is there by now, or it never comes.
        done, _ = await asyncio.wait([call], timeout=PATIENCE)
        assert done == {call} and isinstance(call.exception(), ClosedError)

    run_cell(story, behavior, ended)
    assert "call" not in behavior.calls


def test_stopping_twice_is_stopping_once():
    behavior, ends = RecordingBehavior(), []

    async def story(cell):
        cell.stop()
        cell.stop()
        await cell.stopped(PATIENCE)
        cell.stop()
        await cell.stopped(PATIENCE)

    run_cell(story, behavior, ended=lambda: ends.append(threading.current_thread().name))
    assert behavior.calls.count("stop") == 1
    assert ends == ["the actor ends"]


@pytest.mark.parametrize("fails_on", ["on_timer", "message", "stop"])
def test_promise_9_a_behavior_that_raises_ends_its_actor_with_a_log(fails_on, caplog):
    behavior, ends = RecordingBehavior(fails_on={fails_on}), []

    async def story(cell):
        cell.put("message")
        if fails_on == "stop":
            cell.stop()
        await cell.stopped(PATIENCE)
        assert not cell.alive and str(cell.error) == f"no {fails_on}"
        with pytest.raises(ClosedError):
            await cell.call(lambda: None, PATIENCE)

    run_cell(story, behavior, ended=lambda: ends.append("ended"))
    assert ends == ["ended"]
    assert behavior.calls[-1] == "stop" and behavior.calls.count("stop") == 1
    (record,) = caplog.records
    assert record.message == "the actor ended by an error of its own"
    assert f"no {fails_on}" in caplog.text


def test_a_call_after_a_behavior_raised_quotes_the_error_and_the_behavior_stops_later():
    seen = []

    class Looks(RecordingBehavior):
        def stop(self):
            seen.append(there[0].error)
            super().stop()

    behavior, there = Looks(fails_on={"message"}), []

    async def story(cell):
        there.append(cell)
        cell.put("message")
        await cell.stopped(PATIENCE)
        text = r"the actor broke, ValueError\('no message'\): deploy or attach it again"
        with pytest.raises(ClosedError, match=text):
            await cell.call(lambda: None, PATIENCE)

    run_cell(story, behavior)
    assert [str(error) for error in seen] == ["no message"]
