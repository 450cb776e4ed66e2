"""Work that is begun together ends together: after an error or a cancellation nothing of it is left running."""

import asyncio
import contextlib

import pytest

from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.runtime._cut_short import together
from akkordeon_dask.runtime._cuts import CutNetwork
from tests.support.patience import PATIENCE


def running():
    """The other tasks of the loop."""
    return asyncio.all_tasks() - {asyncio.current_task()}


async def value(number):
    await asyncio.sleep(0)
    return number


async def endless(ended):
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        ended.append(True)


async def broken():
    await asyncio.sleep(0)
    raise CheckpointError("broken")


def test_results_are_in_the_order_of_the_calls():
    assert asyncio.run(together(map(value, range(5)))) == [0, 1, 2, 3, 4]
    assert asyncio.run(together([])) == []


def test_after_an_error_the_others_have_ended():
    async def story():
        ended = []
        with pytest.raises(CheckpointError, match="broken"):
            await together([endless(ended), broken(), endless(ended)])
        assert ended == [True, True] and not running()

    asyncio.run(story())


def test_an_error_before_all_have_begun_ends_the_others():
    async def story():
        def calls():
            yield value(1)
            raise CheckpointError("no such gate")

        with pytest.raises(CheckpointError, match="no such gate"):
            await together(calls())
        assert not running()

    asyncio.run(story())


def test_a_caller_that_is_cancelled_leaves_nothing_running():
    async def story():
        ended = []
        task = asyncio.create_task(together([endless(ended), endless(ended)]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [True, True] and not running()

    asyncio.run(story())


class Cluster:
    """A client of two workers, which answers as `answers` has it by function, or never."""

    def __init__(self, **answers):
        self.answers, self.asked, self.stands = answers, [], asyncio.Event()

    async def run_on_scheduler(self, function, *args):
        return ["alice", "bob"]

    async def run(self, function, *args, workers, on_error):
        (worker,) = workers
        self.asked.append((function.__name__, worker))
        answer = self.answers.get(function.__name__, {}).get(worker)
        if answer is None:
            self.stands.set()
            await asyncio.Event().wait()
        return {worker: answer}


def cut_network(cluster):
    return CutNetwork(cluster, "digits", 1, (("g0", "alice", "key-g0"), ("g1", "bob", "key-g1")))


@pytest.fixture
def no_scheduler(monkeypatch):
    """Without a scheduler nobody looks whether it answers."""
    monkeypatch.setattr("akkordeon_dask.runtime._cuts.scheduler_deadline", lambda *_: contextlib.nullcontext())


RELEASED = {"release_sentinels": {"alice": {}, "bob": {}}}


@pytest.mark.parametrize("stage", ["hold_sentinels", "take_parts", "release_sentinels"])
@pytest.mark.usefixtures("no_scheduler")
def test_a_snapshot_that_is_cancelled_lets_training_go_on(stage):
    async def story():
        answers = {"hold_sentinels": {"alice": [], "bob": []}, "take_parts": {"alice": {}, "bob": {}}}
        cluster = Cluster(**{name: its for name, its in answers.items() if name != stage})
        taking = asyncio.create_task(cut_network(cluster).take())
        async with asyncio.timeout(PATIENCE):
            await cluster.stands.wait()
        cluster.asked.clear()
        cluster.answers |= RELEASED
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        assert cluster.asked == [("release_sentinels", "alice"), ("release_sentinels", "bob")] and not running()

    asyncio.run(story())


@pytest.mark.usefixtures("no_scheduler")
def test_a_gate_that_takes_no_part_ends_the_calls_to_the_others():
    async def story():
        holds = {"alice": [], "bob": []}
        cluster = Cluster(hold_sentinels=holds, take_parts={"bob": CheckpointError("it moves")}, **RELEASED)
        with pytest.raises(CheckpointError, match="it moves"):
            await cut_network(cluster).take()
        assert cluster.asked[-2:] == [("release_sentinels", "alice"), ("release_sentinels", "bob")] and not running()

    asyncio.run(story())
