"""The thread of an actor: the only one that touches its core."""

import asyncio
import threading
from itertools import pairwise

import pytest

from akkordeon_dask.actors._thread import ActorThread
from akkordeon_dask.errors import ClosedError
from tests.actors.test_mailbox import LIMIT, backward, forward


class Recorder:
    """A core that notes what it is asked, and in which thread; `held` keeps it busy until it is let go."""

    def __init__(self, *, patience=LIMIT, fails_on=()):
        self.did, self.threads, self.ticks = [], set(), []
        self.patience, self.fails_on = patience, fails_on
        self.entered, self.held, self.ticked = threading.Event(), threading.Event(), threading.Event()

    def note(self, what):
        self.did.append(what)
        self.threads.add(threading.current_thread().name)
        if what in self.fails_on:
            raise ValueError(f"no {what}")

    def handle(self, message):
        if message == "hold":
            self.entered.set()
            assert self.held.wait(LIMIT)
        self.note(message)

    def tick(self, now):
        self.ticks.append(now)
        self.ticked.set()
        self.note("tick")
        return self.patience

    def close(self):
        self.note("close")


def lived(story, core, ended=lambda: None):
    """Run a story with a thread, which has ended when this returns."""

    async def life():
        thread = ActorThread("the actor", core, ended)
        try:
            return await story(thread)
        finally:
            core.held.set()
            thread.stop()
            await thread.stopped(LIMIT)

    answer = asyncio.run(life())
    assert "the actor" not in [thread.name for thread in threading.enumerate()]
    return answer


def test_promise_2_everything_of_the_core_runs_in_its_own_thread():
    core = Recorder()

    async def story(thread):
        thread.mailbox.put("message")
        return await thread.call(lambda: core.note("call"), LIMIT), await thread.call(threading.current_thread, LIMIT)

    nothing, where = lived(story, core)
    assert nothing is None and where.name == "the actor"
    assert core.threads == {"the actor"}
    assert {"message", "call"} <= set(core.did) and core.did[0] == "tick" and core.did[-1] == "close"


def test_a_call_is_answered_before_the_batches_that_wait():
    core = Recorder()

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
    order = [did for did in core.did if did != "tick"]
    assert order[:2] == ["hold", "call"] and order[-1] == "close"


def test_what_a_call_raises_comes_back_and_the_thread_lives_on():
    def broken():
        raise KeyError("of the call")

    async def story(thread):
        with pytest.raises(KeyError, match="of the call"):
            await thread.call(broken, LIMIT)
        return thread.alive, await thread.call(lambda: 7, LIMIT)

    assert lived(story, Recorder()) == (True, 7)


def test_a_call_of_a_closed_thread_says_so():
    async def story(thread):
        thread.stop()
        await thread.stopped(LIMIT)
        assert not thread.alive
        with pytest.raises(ClosedError, match="the actor is closed: deploy or attach anew"):
            await thread.call(lambda: None, LIMIT)

    lived(story, Recorder())


async def pending_calls(thread, core, count=3):
    """Calls that wait behind a message that is worked on, in a thread that shall stop after it."""
    thread.mailbox.put("hold")
    assert core.entered.wait(LIMIT)
    calls = [asyncio.ensure_future(thread.call(lambda: core.note("call"), LIMIT)) for _ in range(count)]
    await asyncio.sleep(0)
    thread.stop()
    return calls


def test_calls_that_wait_at_the_end_learn_that_there_will_be_no_answer():
    core = Recorder()

    async def story(thread):
        calls = await pending_calls(thread, core)
        core.held.set()
        return await asyncio.gather(*calls, return_exceptions=True)

    assert [type(answer) for answer in lived(story, core)] == [ClosedError] * 3
    assert "call" not in core.did


def test_a_call_that_was_given_up_does_not_keep_the_thread_from_its_end():
    core, ends = Recorder(), []

    async def story(thread):
        given_up, *_ = calls = await pending_calls(thread, core)
        given_up.cancel()
        await asyncio.sleep(0)
        core.held.set()
        return await asyncio.gather(*calls, return_exceptions=True)

    answers = lived(story, core, ended=lambda: ends.append("ended"))
    assert [type(answer) for answer in answers] == [asyncio.CancelledError, ClosedError, ClosedError]
    assert ends == ["ended"]


def test_a_call_that_comes_while_the_thread_says_goodbye_is_not_left_waiting():
    core, leaving, left = Recorder(), threading.Event(), threading.Event()

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


def test_stopping_twice_is_stopping_once():
    core, ends = Recorder(), []

    async def story(thread):
        thread.stop()
        thread.stop()
        await thread.stopped(LIMIT)
        thread.stop()
        await thread.stopped(LIMIT)

    lived(story, core, ended=lambda: ends.append(threading.current_thread().name))
    assert core.did.count("close") == 1
    assert ends == ["the actor"]


@pytest.mark.parametrize("fails_on", ["tick", "message", "close"])
def test_promise_9_a_core_that_raises_ends_its_thread_with_a_log(fails_on, caplog):
    core, ends = Recorder(fails_on={fails_on}), []

    async def story(thread):
        thread.mailbox.put("message")
        if fails_on == "close":
            thread.stop()
        await thread.stopped(LIMIT)
        assert not thread.alive and str(thread.error) == f"no {fails_on}"
        with pytest.raises(ClosedError):
            await thread.call(lambda: None, LIMIT)

    lived(story, core, ended=lambda: ends.append("ended"))
    assert ends == ["ended"]
    assert core.did[-1] == "close" and core.did.count("close") == 1
    (record,) = caplog.records
    assert record.message == "the actor ended by an error of its own"
    assert f"no {fails_on}" in caplog.text


def test_the_clock_is_looked_at_first_and_then_after_the_interval_that_the_core_asked_for():
    core = Recorder(patience=0.02)

    async def story(thread):
        for _ in range(5):
            core.ticked.clear()
            assert core.ticked.wait(LIMIT)

    lived(story, core)
    assert len(core.ticks) >= 5
    assert all(later - earlier >= 0.02 for earlier, later in pairwise(core.ticks))


def test_messages_do_not_hasten_the_look_at_the_clock_and_calls_do():
    core = Recorder(patience=1000.0)

    async def story(thread):
        for number in range(10):
            thread.mailbox.put(f"message {number}")
        return await thread.call(lambda: len(core.ticks), LIMIT)

    lived(story, core)
    assert core.did.index("message 9") > core.did.index("message 0") > 0
    assert len(core.ticks) == 2


def test_busy_are_the_seconds_of_work():
    core = Recorder()

    async def story(thread):
        before = thread.busy
        thread.mailbox.put("message")
        await thread.call(lambda: None, LIMIT)
        await thread.call(lambda: None, LIMIT)
        return before, thread.busy

    before, after = lived(story, core)
    assert before == 0.0 < after
