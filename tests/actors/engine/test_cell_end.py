"""The end of an actor's thread: whoever waits for it learns so."""

import asyncio
import threading

import pytest

from akkordeon_dask.errors import ClosedError
from tests.support.numbered_samples import LIMIT
from tests.support.recording_behavior import RecordingBehavior, lived


def test_a_call_of_a_stopped_cell_raises_an_error():
    async def story(thread):
        thread.stop()
        await thread.stopped(LIMIT)
        assert not thread.alive
        with pytest.raises(ClosedError, match="the actor is closed: deploy or attach it again"):
            await thread.call(lambda: None, LIMIT)

    lived(story, RecordingBehavior())


async def pending_calls(thread, core, count=3):
    """Calls that wait behind a message that is worked on, in a thread that shall stop after it."""
    thread.mailbox.put("hold")
    assert core.entered.wait(LIMIT)
    calls = [asyncio.ensure_future(thread.call(lambda: core.note("call"), LIMIT)) for _ in range(count)]
    await asyncio.sleep(0)
    thread.stop()
    return calls


def test_calls_that_wait_at_the_end_learn_that_there_will_be_no_answer():
    core = RecordingBehavior()

    async def story(thread):
        calls = await pending_calls(thread, core)
        core.held.set()
        return await asyncio.gather(*calls, return_exceptions=True)

    assert [type(answer) for answer in lived(story, core)] == [ClosedError] * 3
    assert "call" not in core.did


def test_a_cancelled_call_does_not_keep_the_thread_from_its_end():
    core, ends = RecordingBehavior(), []

    async def story(thread):
        given_up, *_ = calls = await pending_calls(thread, core)
        given_up.cancel()
        await asyncio.sleep(0)
        core.held.set()
        return await asyncio.gather(*calls, return_exceptions=True)

    answers = lived(story, core, ended=lambda: ends.append("ended"))
    assert [type(answer) for answer in answers] == [asyncio.CancelledError, ClosedError, ClosedError]
    assert ends == ["ended"]


def test_a_call_while_the_thread_ends_is_not_left_waiting():
    core, leaving, left = RecordingBehavior(), threading.Event(), threading.Event()

    def ended():
        leaving.set()
        assert left.wait(LIMIT)

    async def story(thread):
        thread.stop()
        assert leaving.wait(LIMIT)
        call = asyncio.ensure_future(thread.call(lambda: core.note("call"), LIMIT))
        await asyncio.sleep(0)
        left.set()
        await thread.stopped(LIMIT)
        # The answer is there by now, or it never comes.
        done, _ = await asyncio.wait([call], timeout=LIMIT)
        assert done == {call} and isinstance(call.exception(), ClosedError)

    lived(story, core, ended)
    assert "call" not in core.did


def test_a_thread_that_takes_no_more_calls_is_not_alive():
    core, alive = RecordingBehavior(), []

    def looks(thread, timeout, get):
        item = get(timeout)
        if item is None and "stop" in core.did:
            alive.append(thread.alive)
        return item

    async def story(thread):
        get = thread.mailbox.get
        thread.mailbox.get = lambda timeout: looks(thread, timeout, get)
        thread.stop()

    lived(story, core)
    assert alive == [False]


def test_stopping_twice_is_stopping_once():
    core, ends = RecordingBehavior(), []

    async def story(thread):
        thread.stop()
        thread.stop()
        await thread.stopped(LIMIT)
        thread.stop()
        await thread.stopped(LIMIT)

    lived(story, core, ended=lambda: ends.append(threading.current_thread().name))
    assert core.did.count("stop") == 1
    assert ends == ["the actor"]


@pytest.mark.parametrize("fails_on", ["on_timer", "message", "stop"])
def test_promise_9_a_behavior_that_raises_ends_its_thread_with_a_log(fails_on, caplog):
    core, ends = RecordingBehavior(fails_on={fails_on}), []

    async def story(thread):
        thread.mailbox.put("message")
        if fails_on == "stop":
            thread.stop()
        await thread.stopped(LIMIT)
        assert not thread.alive and str(thread.error) == f"no {fails_on}"
        with pytest.raises(ClosedError):
            await thread.call(lambda: None, LIMIT)

    lived(story, core, ended=lambda: ends.append("ended"))
    assert ends == ["ended"]
    assert core.did[-1] == "stop" and core.did.count("stop") == 1
    (record,) = caplog.records
    assert record.message == "the actor ended by an error of its own"
    assert f"no {fails_on}" in caplog.text


def test_a_call_after_a_behavior_raised_quotes_the_error_and_the_behavior_stops_later():
    seen = []

    class Looks(RecordingBehavior):
        def stop(self):
            seen.append(there[0].error)
            super().stop()

    core, there = Looks(fails_on={"message"}), []

    async def story(thread):
        there.append(thread)
        thread.mailbox.put("message")
        await thread.stopped(LIMIT)
        text = r"the actor broke, ValueError\('no message'\): deploy or attach it again"
        with pytest.raises(ClosedError, match=text):
            await thread.call(lambda: None, LIMIT)

    lived(story, core)
    assert [str(error) for error in seen] == ["no message"]
