"""SIGTERM waits until the worker is drained, and no longer; a closing nanny waits too, and always continues."""

import asyncio
import os
import signal
from types import SimpleNamespace

import pytest
from distributed.comm import listen
from distributed.core import Status

from akkordeon_dask.actors.shutdown._nanny import LEAVE_OP, NannyDrainPlugin
from akkordeon_dask.actors.shutdown._signals import SigtermHandler
from tests.support.patience import PATIENCE
from tests.support.post_offices import holds

WORKER = SimpleNamespace(status=Status.running)


@pytest.fixture
def former():
    """The signals that came to whoever saw to them before."""
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    yield seen
    signal.signal(signal.SIGTERM, before)


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def test_the_signal_is_passed_on_when_the_worker_is_drained(former):
    async def story():
        go, begun = asyncio.Event(), asyncio.Event()

        async def leave():
            begun.set()
            await go.wait()

        SigtermHandler(WORKER, leave)
        terminate()
        await asyncio.wait_for(begun.wait(), PATIENCE)
        assert former == []
        go.set()
        await holds(lambda: former == [signal.SIGTERM])

    asyncio.run(story())


def test_a_second_signal_is_passed_on_at_once(former):
    async def story():
        go = asyncio.Event()
        termination = SigtermHandler(WORKER, go.wait)
        terminate()
        assert former == []
        terminate()
        assert former == [signal.SIGTERM]
        go.set()
        await holds(lambda: termination._task is not None and termination._task.done())
        assert former == [signal.SIGTERM]

    asyncio.run(story())


def test_the_signal_is_passed_on_when_the_drain_fails(former):
    async def leave():
        raise OSError("no time")

    async def story():
        termination = SigtermHandler(WORKER, leave)
        terminate()
        await holds(lambda: former == [signal.SIGTERM])
        with pytest.raises(OSError, match="no time"):
            await termination._task

    asyncio.run(story())


def goes_on_after(former, story):
    """The signal comes to whoever had it before, once the story is over."""
    asyncio.run(story())
    terminate()
    assert former == [signal.SIGTERM]


def test_a_closed_worker_restores_the_former_handler(former):
    async def story():
        before = signal.getsignal(signal.SIGTERM)
        termination = SigtermHandler(WORKER, asyncio.Event().wait)
        termination.stop()
        assert signal.getsignal(signal.SIGTERM) is before

    goes_on_after(former, story)


def test_a_later_handler_stays_and_may_pass_the_signal_on(former):
    async def story():
        termination = SigtermHandler(WORKER, asyncio.Event().wait)
        ours = signal.getsignal(signal.SIGTERM)

        def later(number, frame):
            ours(number, frame)

        signal.signal(signal.SIGTERM, later)
        termination.stop()
        assert signal.getsignal(signal.SIGTERM) is later

    goes_on_after(former, story)


def test_a_signal_after_the_end_of_the_loop_is_passed_on(former):
    async def story():
        SigtermHandler(WORKER, asyncio.Event().wait)

    goes_on_after(former, story)


def nanny(worker, status=Status.closing, process=Status.running):
    """A nanny, reduced to the attributes that the plugin reads."""
    lives = SimpleNamespace(status=process, worker_address=worker, stopped=asyncio.Event())
    return SimpleNamespace(status=status, process=lives, connection_args={})


def closing(answers, **known):
    """Close a nanny whose worker `answers`, a coroutine function of the comm; returns the requests to the worker."""
    asked = []

    async def story():
        async def handle(comm):
            asked.append(await comm.read())
            await answers(comm, lives)

        listener = await listen("tcp://127.0.0.1:0", handle)
        worker = listener.contact_address
        lives = nanny(known.pop("worker", worker), **known)
        try:
            async with asyncio.timeout(PATIENCE):
                await NannyDrainPlugin(worker, 600).teardown(lives)
        finally:
            listener.stop()

    asyncio.run(story())
    return asked


async def at_once(comm, lives):
    await comm.write({"status": "OK"})


def test_a_nanny_that_closes_waits_for_its_workers_answer():
    assert closing(at_once) == [{"op": LEAVE_OP, "reply": True}]


@pytest.mark.parametrize(
    "known", [{"status": Status.running}, {"process": Status.stopped}, {"worker": "tcp://127.0.0.1:1"}], ids=repr
)
def test_a_nanny_that_stays_or_has_no_such_worker_asks_nobody(known):
    assert closing(at_once, **known) == []


def test_a_nanny_continues_when_its_worker_hangs_up():
    async def hangs_up(comm, lives):
        comm.abort()

    assert closing(hangs_up)


def test_a_nanny_continues_when_its_workers_process_ends():
    async def ends(comm, lives):
        lives.process.stopped.set()

    assert closing(ends)


def test_a_nanny_continues_after_its_limit_and_without_a_process():
    async def story():
        async def silent(comm):
            await comm.read()

        listener = await listen("tcp://127.0.0.1:0", silent)
        try:
            async with asyncio.timeout(PATIENCE):
                await NannyDrainPlugin(listener.contact_address, 0.05).teardown(nanny(listener.contact_address))
                nobody = SimpleNamespace(status=Status.closing, process=None)
                await NannyDrainPlugin("tcp://127.0.0.1:1", 600).teardown(nobody)
        finally:
            listener.stop()

    asyncio.run(story())
