"""Links: one kept connection, ordered; lost messages are counted; the next message reconnects."""

import asyncio
import logging
import threading

import dask.config
import numpy as np
import pytest

from akkordeon_dask.actors.transport._link import LINK_OP, Link
from akkordeon_dask.messages import Forward, decode, nbytes
from tests.support.patience import PATIENCE
from tests.support.post_offices import Peer, forward, holds


@pytest.fixture(autouse=True)
def _soon():
    """Small bounds, and no time that a busy machine could need."""
    limits = {"link.max-unsent": "100kB", "link.retry": "1ms", "timeouts.connect": PATIENCE, "link.linger": PATIENCE}
    with dask.config.set({f"akkordeon.{key}": value for key, value in limits.items()}):
        yield


def run_story(story):
    """Run a story with a peer and a link to it; afterwards the link has no task left."""

    async def run():
        async with Peer() as peer:
            link = Link(peer.worker(), peer.address)
            before = asyncio.all_tasks()
            await story(peer, link)
            await link.close()
            left = [task for task in asyncio.all_tasks() - before if "Link." in repr(task.get_coro())]
            assert not left and link._comm is None

    asyncio.run(run())


def test_messages_arrive_in_order_over_one_connection():
    async def story(peer, link):
        for sequence in range(100):
            link.send("g0", forward(sequence))
        await holds(lambda: len(peer.envelopes) == 100)
        assert peer.sequences == list(range(100))
        assert {envelope["to"] for envelope in peer.envelopes} == {"g0"}
        assert peer.openings == [{"op": LINK_OP, "reply": False, "sender": "tcp://127.0.0.1:1"}]
        seen = link.statistics()
        assert (seen.peer, seen.sent, seen.lost, seen.connects) == (peer.address, 100, 0, 1)
        assert seen.nbytes == seen.unsent == 100 * nbytes(forward(0))

    run_story(story)


def test_any_thread_may_send():
    async def story(peer, link):
        await asyncio.gather(
            *(
                asyncio.to_thread(lambda start=start: [link.send("g0", forward(start + i)) for i in range(50)])
                for start in (0, 100, 200)
            )
        )
        await holds(lambda: len(peer.envelopes) == 150)
        for start in (0, 100, 200):
            mine = [sequence for sequence in peer.sequences if start <= sequence < start + 100]
            assert mine == list(range(start, start + 50))

    run_story(story)


def test_promise_2_a_scattered_array_is_copied_by_its_sender(monkeypatch):
    copying, copy, numbers = set(), np.ascontiguousarray, np.arange(80_000.0).reshape(200, 2, 200)

    def spied(array):
        copying.add(threading.get_ident())
        return copy(array)

    async def story(peer, link):
        monkeypatch.setattr(np, "ascontiguousarray", spied)
        message = Forward(forward(0).header, numbers[:, 0])
        sender = await asyncio.to_thread(lambda: (link.send("g0", message), threading.get_ident())[1])
        await holds(lambda: peer.envelopes)
        assert np.array_equal(decode(peer.envelopes[0]["message"]).x, numbers[:, 0])
        assert copying == {sender}

    with dask.config.set({"akkordeon.link.max-unsent": "1MB"}):
        run_story(story)


def test_bytes_that_the_peer_has_read_are_not_unsent():
    async def story(peer, link):
        for sequence in range(10):
            link.send("g0", forward(sequence))
        await holds(lambda: len(peer.envelopes) == 10)
        await peer.comms[0].write({"ack": 7 * nbytes(forward(0))})
        await holds(lambda: link.statistics().unsent == 3 * nbytes(forward(0)))

    run_story(story)


def test_a_broken_link_reconnects_for_the_next_message():
    async def story(peer, link):
        for turn in range(5):
            link.send("g0", forward(turn))
            await holds(lambda turn=turn: turn in peer.sequences)
            link.disconnect()
        assert peer.sequences == [0, 1, 2, 3, 4]
        seen = link.statistics()
        assert (seen.sent, seen.lost, seen.connects) == (5, 0, 5)

    run_story(story)


def test_a_connection_that_the_peer_ends_is_noticed_while_nothing_is_sent():
    async def story(peer, link):
        link.send("g0", forward(0))
        await holds(lambda: peer.sequences == [0])
        peer.comms[0].abort()
        await holds(lambda: link._comm is None)
        link.send("g0", forward(1))
        await holds(lambda: peer.sequences == [0, 1])

    run_story(story)


def test_a_peer_that_does_not_read_is_cut_off_above_the_bound_and_later_messages_pass():
    async def story(peer, link):
        peer.open.clear()
        big = 1_500
        fits = 100_000 // nbytes(forward(0, big))
        for sequence in range(fits):
            link.send("g0", forward(sequence, big))
        await holds(lambda: link.statistics().sent == fits)
        assert link.statistics().unsent == fits * nbytes(forward(0, big)) <= 100_000
        for sequence in range(fits, fits + 3):
            link.send("g0", forward(sequence, big))
        await holds(lambda: link.statistics().lost > 0)
        assert link.statistics().connects == 1 and link._comm is None
        await holds(lambda: not link._queue)
        link.send("g0", forward(99))
        peer.open.set()
        await holds(lambda: 99 in peer.sequences)
        seen = link.statistics()
        assert seen.sent + seen.lost == fits + 4
        assert seen.connects >= 2 and seen.unsent <= 100_000

    run_story(story)


def test_a_peer_that_is_not_there_costs_the_messages_and_nothing_else(caplog):
    async def story():
        async with Peer() as peer:
            gone = peer.address
        link = Link(peer.worker(), gone)
        with dask.config.set({"akkordeon.timeouts.connect": "50ms"}), caplog.at_level(logging.INFO):
            for sequence in range(4):
                link.send("g0", forward(sequence))
            await holds(lambda: link.statistics().lost == 4)
        assert link.statistics().sent == link.statistics().connects == 0
        assert f"link to {gone} broke" in caplog.text
        await link.close()

    asyncio.run(story())


def test_queued_messages_are_written_before_a_link_ends():
    async def story(peer, link):
        for sequence in range(20):
            link.send("g0", forward(sequence))
        await link.close()
        await holds(lambda: len(peer.envelopes) == 20)

    run_story(story)


def test_closing_does_not_wait_for_a_peer_that_is_not_there():
    async def story():
        async with Peer() as peer:
            gone = peer.address
        link = Link(peer.worker(), gone)
        link.send("g0", forward(0))
        async with asyncio.timeout(PATIENCE):
            await link.close()
        assert link._writer.done()

    with dask.config.set({"akkordeon.timeouts.connect": "1h", "akkordeon.link.linger": "20ms"}):
        asyncio.run(story())


def test_nonsense_from_the_peer_ends_the_connection_not_the_link():
    async def story(peer, link):
        for turn, word in enumerate(({"nack": 1}, "what?", {"ack": "many"})):
            link.send("g0", forward(turn))
            await holds(lambda turn=turn: turn in peer.sequences)
            await peer.comms[-1].write(word)
            await holds(lambda: link._comm is None)
        assert link.statistics().connects == 3

    run_story(story)


def test_a_message_that_cannot_be_sent_is_logged_and_does_not_stop_the_others(caplog):
    async def story(peer, link):
        link.send("g0", object())
        await holds(lambda: link.statistics().lost == 1)
        link.send("g0", forward(7))
        await holds(lambda: peer.sequences == [7])

    run_story(story)
    assert "could not send" in caplog.text


def test_a_message_above_the_bound_is_sent_and_several_of_them_too():
    async def story(peer, link):
        for sequence in range(8):
            link.send("g0", forward(sequence, 100_000))
        await holds(lambda: len(peer.envelopes) == 8)
        assert peer.sequences == list(range(8))
        assert (link.statistics().lost, link.statistics().connects) == (0, 1)

    run_story(story)


def test_a_large_message_that_was_read_leaves_no_room_for_many_small_ones():
    async def story(peer, link):
        link.send("g0", forward(0, 100_000))
        await holds(lambda: peer.sequences == [0])
        await peer.comms[0].write({"ack": nbytes(forward(0, 100_000))})
        await holds(lambda: link.statistics().unsent == 0)
        peer.open.clear()
        for sequence in range(60):
            link.send("g0", forward(sequence, 1_000))
        await holds(lambda: link.statistics().lost > 0)
        peer.open.set()

    run_story(story)
