"""Many calls to a worker's actors travel and wait together."""

import asyncio
import threading

import pytest
from distributed.protocol import to_serialize
from distributed.protocol.pickle import dumps, loads
from hypothesis import given
from hypothesis import strategies as st

from akkordeon_dask.actors.transport._call_batches import CallBatches
from tests.support.patience import PATIENCE


class Unreadable:
    """It pickles, and cannot be read."""

    def __reduce__(self):
        return int, ("not a number",)


class Worker:
    """Its actors answer when they are told to; a call's method is how it ends."""

    def __init__(self):
        self.gates: dict[str, asyncio.Event] = {}

    async def actor_execute(self, actor, function, args, kwargs):
        await self.gates.setdefault(actor, asyncio.Event()).wait()
        if function == "missing":
            raise KeyError(actor)
        if function == "fails":
            return {"status": "error", "exception": to_serialize(ValueError(*args))}
        answers = {"locks": threading.Lock, "unreadable": Unreadable}
        return {"status": "OK", "result": to_serialize(answers.get(function, lambda: (actor, args, kwargs))())}

    def let(self, actor):
        self.gates.setdefault(actor, asyncio.Event()).set()


def call(number, method="works"):
    return number, f"actor {number}", method, dumps(((number,), {"twice": 2 * number}))


def told(coroutine):
    async def limited():
        async with asyncio.timeout(PATIENCE):
            return await coroutine

    return asyncio.run(limited())


@given(order=st.permutations(range(8)), sent_together=st.integers(1, 8))
def test_each_answer_is_returned_once_whatever_ends_first(order, sent_together):
    async def story():
        worker = Worker()
        batches, found = CallBatches(worker), []
        for first in range(0, len(order), sent_together):
            numbers = range(first, min(first + sent_together, len(order)))
            assert await batches.exchange("me", [call(number) for number in numbers], 0.0) == []
        for number in order:
            worker.let(f"actor {number}")
            found += await batches.exchange("me", [], PATIENCE)
            if not any(number == one for one, *_ in found):
                found += await batches.exchange("me", [], PATIENCE)
        return found

    found = told(story())
    assert sorted(number for number, *_ in found) == sorted(order)
    for number, failed, value in found:
        assert not failed and loads(value) == (f"actor {number}", (number,), {"twice": 2 * number})


def test_a_call_that_fails_or_has_no_readable_answer_harms_no_other():
    async def story():
        worker = Worker()
        methods = ["works", "fails", "missing", "locks", "unreadable", "works"]
        for number in range(len(methods)):
            worker.let(f"actor {number}")
        batches, found = CallBatches(worker), []
        await batches.exchange("me", [call(*one) for one in enumerate(methods)], 0.0)
        while len(found) < len(methods):
            found += await batches.exchange("me", [], PATIENCE)
        return {number: (failed, value) for number, failed, value in found}

    found = told(story())
    assert [number for number in sorted(found) if found[number][0]] == [1, 2, 3]
    assert [type(loads(found[number][1])) for number in (0, 1, 2, 3, 5)] == [
        tuple, ValueError, KeyError, TypeError, tuple,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="not a number"):
        loads(found[4][1])


def test_senders_receive_their_own_answers_only():
    async def story():
        worker = Worker()
        batches = CallBatches(worker)
        mine = asyncio.create_task(batches.exchange("me", [call(1)], PATIENCE))
        theirs = asyncio.create_task(batches.exchange("you", [call(1)], PATIENCE))
        worker.let("actor 1")
        return await mine, await theirs

    mine, theirs = told(story())
    assert len(mine) == len(theirs) == 1


def test_calls_that_wait_end_with_the_worker_and_later_ones_find_no_actor():
    async def story():
        batches = CallBatches(Worker())
        waits = asyncio.create_task(batches.exchange("me", [call(1), call(2)], PATIENCE))
        await asyncio.sleep(0)
        await batches.close()
        found = await waits
        while len(found) < 2:
            found += await batches.exchange("me", [], PATIENCE)
        return found + await batches.exchange("me", [call(3)], PATIENCE)

    answers = told(story())
    assert {number for number, *_ in answers} == {1, 2, 3}
    assert all(failed and isinstance(loads(value), KeyError) for _, failed, value in answers)
