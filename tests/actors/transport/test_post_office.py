"""Post offices: straight into the mailbox within a process, over a link to another; no message vanishes uncounted."""

import asyncio
import logging
import threading

import dask.config
import numpy as np
import pytest
from distributed.comm import connect

from akkordeon_dask.actors.shutdown._drain import ActorInfo
from akkordeon_dask.actors.transport._link import LINK_OP
from akkordeon_dask.actors.transport._local import ACKNOWLEDGE
from akkordeon_dask.actors.transport._post_office import PostOffice
from akkordeon_dask.errors import WorkerLostError
from akkordeon_dask.messages import Address, Forward, Leave, encode
from akkordeon_dask.network import Claim, Resources
from akkordeon_dask.runtime.cluster._workers import claims_on_worker, drains
from tests.support.numbered_samples import header
from tests.support.patience import PATIENCE
from tests.support.post_offices import WAYS, Kept, forward, holds, offices, socket_folders


def run_story(way, story):
    """Run a story between the post offices of two workers; nothing of theirs is left."""
    threads, folders = set(threading.enumerate()), socket_folders()

    async def run():
        kept = Kept()
        async with offices(way) as (here, there):
            there.add("actor", kept.cell())
            await story(here, there, kept)
        assert kept.closed and not here.links and not there.links

    asyncio.run(run())
    assert not [thread.name for thread in set(threading.enumerate()) - threads if thread.name.startswith("akkordeon")]
    assert socket_folders() <= folders


def to(office, actor="actor"):
    return Address(office.address, actor)


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


@pytest.fixture(params=["unix", "tcp"])
def far_way(request):
    return request.param


def test_a_worker_has_one_post_office():
    async def story(here, there, kept):
        assert await PostOffice.of(here.worker) is here
        first, second = await asyncio.gather(PostOffice.of(there.worker), PostOffice.of(there.worker))
        assert first is second is there is not here

    run_story("inproc", story)


def test_a_worker_that_closes_says_that_it_drains_and_takes_no_more_actors():
    async def story(here, there, kept):
        worker, info = there.worker, ActorInfo("network", "gate", "g0")
        claim = Claim("network", "g0", Resources())
        there.drain.register("actor", info)
        there.claim("actor", claim)
        assert not drains(worker)
        closing = asyncio.create_task(worker.close(nanny=False))
        await there.drain.started.wait()
        assert drains(worker) and claims_on_worker(worker) == (claim,)
        with pytest.raises(WorkerLostError, match=f"{there.address}.* closes: choose another one"):
            await PostOffice.of(worker)
        there.drain.acknowledge("actor", "the story ends")
        await closing

    run_story("inproc", story)


def test_a_message_arrives_as_it_was_sent(way):
    async def story(here, there, kept):
        sent = [forward(sequence, 20_000) for sequence in range(20)]
        for message in sent:
            here.send(to(there), message)
        await holds(lambda: len(kept.messages) == 20)
        for one, other in zip(sent, kept.messages, strict=True):
            assert one.header == other.header
            assert np.array_equal(one.x, other.x) and one.x.dtype == other.x.dtype

    run_story(way, story)


def test_on_the_same_worker_the_very_object_is_handed_over(way):
    async def story(here, there, kept):
        message = forward(0)
        there.send(to(there), message)
        assert await asyncio.to_thread(kept.arrived.wait, PATIENCE)
        assert kept.messages[0] is message and not there.links

    run_story(way, story)


def test_between_workers_of_one_process_there_is_no_comm():
    async def story(here, there, kept):
        message = forward(0)
        here.send(to(there), message)
        assert await asyncio.to_thread(kept.arrived.wait, PATIENCE)
        assert kept.messages[0] is message
        assert not here.links and not there.links and here.statistics() == []

    run_story("inproc", story)


def test_between_processes_one_link_is_kept(far_way):
    async def story(here, there, kept):
        for sequence in range(30):
            here.send(to(there), forward(sequence))
            here.send(to(there, "nobody"), forward(sequence))
        await holds(lambda: len(kept.messages) == 30 and there.dead_letters == 30)
        assert kept.sequences == list(range(30))
        [link] = here.statistics()
        assert (link.peer, link.sent, link.connects, link.lost) == (there.address, 60, 1, 0)
        assert not there.links

    run_story(far_way, story)


def test_read_bytes_are_acknowledged(far_way):
    async def story(here, there, kept):
        size = ACKNOWLEDGE // 8
        for sequence in range(5):
            here.send(to(there), forward(sequence, size))
        await holds(lambda: len(kept.messages) == 5)
        await holds(lambda: here.statistics()[0].unsent < here.statistics()[0].nbytes - ACKNOWLEDGE)

    run_story(far_way, story)


@pytest.mark.parametrize("where", ["here", "there"])
def test_a_message_for_nobody_is_a_dead_letter(way, where):
    async def story(here, there, kept):
        target = here if where == "here" else there
        for sequence in range(3):
            here.send(to(target, "nobody"), forward(sequence))
        await holds(lambda: target.dead_letters == 3)
        here.send(to(there), forward(7))
        await holds(lambda: kept.sequences == [7])

    run_story(way, story)


def test_messages_for_a_closed_worker_of_this_process_are_dead_letters():
    async def story(here, there, kept):
        here.send(Address("inproc://10.0.0.1/1/999", "actor"), forward(0))
        assert here.dead_letters == 1 and not here.links

    run_story("inproc", story)


@pytest.mark.parametrize(
    "garbage",
    [
        {"to": "actor"},
        {"to": "actor", "message": {"kind": "gossip"}},
        {"to": "actor", "message": {"kind": "forward", "header": [1, 2], "array": None}},
        {"to": "actor", "message": encode(Leave("net", Address("w", "a"))) | {"sentinel": [1]}},
        {"message": encode(Forward(header(), np.zeros(1))) | {"array": None}},
        {"to": ["actor"], "message": 3},
        "hello",
        17,
        None,
    ],
    ids=repr,
)
def test_garbage_is_dropped_with_a_warning_and_the_link_stays(garbage, caplog):
    async def story(here, there, kept):
        comm = await connect(there.address)
        await comm.write({"op": LINK_OP, "reply": False, "sender": "tcp://a-stranger:1"})
        with caplog.at_level(logging.WARNING):
            await comm.write(garbage)
            await comm.write({"to": "actor", "message": encode(Leave("net", Address("w", "a")))})
            await holds(lambda: kept.messages)
        assert kept.messages == [Leave("net", Address("w", "a"))]
        assert there.dead_letters == 1
        assert "dropped a message from tcp://a-stranger:1" in caplog.text
        await comm.close()

    run_story("tcp", story)


def test_a_flood_of_garbage_costs_a_counter_and_one_line_a_minute(caplog):
    async def story(here, there, kept):
        comm = await connect(there.address)
        await comm.write({"op": LINK_OP, "reply": False, "sender": "tcp://a-stranger:1"})
        with caplog.at_level(logging.WARNING):
            for letters in (200, 1):
                for number in range(letters):
                    await comm.write({"garbage": number})
                await comm.write({"to": "actor", "message": encode(Leave("net", Address("w", "a")))})
                await holds(lambda letters=letters: len(kept.messages) == 1 + (letters == 1))
                there._next_refusal -= 60
        assert there.dead_letters == 201
        assert caplog.text.count("dropped a message") == 2 and "1 dead letters so far" in caplog.text
        await comm.close()

    run_story("tcp", story)


def test_the_last_actor_takes_the_links_along(far_way):
    async def story(here, there, kept):
        mine = [Kept(), Kept()]
        for number, behavior in enumerate(mine):
            here.add(f"mine{number}", behavior.cell())
        here.send(to(there), forward(0))
        await holds(lambda: kept.sequences == [0])
        await here.remove("mine0", PATIENCE)
        assert mine[0].closed and here.links
        await here.remove("mine1", PATIENCE)
        assert mine[1].closed and not here.links
        await here.remove("mine1", PATIENCE)
        here.send(to(here, "mine1"), forward(1))
        assert here.dead_letters == 1

    run_story(far_way, story)


def test_an_actor_that_dask_forgets_is_stopped(way):
    async def story(here, there, kept):
        there.transition("actor", "memory", "memory")
        there.transition("somebody else", "memory", "released")
        assert not kept.closed
        there.transition("actor", "memory", "released")
        await holds(lambda: kept.closed)
        await holds(lambda: not there._cells)

    run_story(way, story)


class Stubborn(Kept):
    """Handles its message until it is released."""

    def __init__(self, go):
        super().__init__()
        self.go = go

    def receive(self, message):
        super().receive(message)
        self.go.wait(PATIENCE)


def test_a_thread_that_does_not_end_is_left_with_a_warning(caplog):
    async def story(here, there, kept):
        go = threading.Event()
        behavior = Stubborn(go)
        here.add("stubborn", behavior.cell("stubborn"))
        here.send(to(here, "stubborn"), forward(0))
        assert await asyncio.to_thread(behavior.arrived.wait, PATIENCE)
        with caplog.at_level(logging.WARNING):
            await here.remove("stubborn", 0.01)
        go.set()
        assert "stubborn did not end within 0.01 s" in caplog.text
        await holds(lambda: behavior.closed)

    run_story("inproc", story)


def test_leaving_workers_stop_their_threads():
    async def story():
        kept = Kept()
        with dask.config.set({"akkordeon.timeouts.close": PATIENCE}):
            async with offices("tcp") as (here, _):
                cell = kept.cell()
                here.add("actor", cell)
        assert kept.closed and not cell.alive

    asyncio.run(story())
