"""Links over UNIX sockets: what happens when one fails, and that no sender waits for it."""

import asyncio
import contextlib
import logging
import signal
import sys
import threading

import numpy as np
import pytest

from akkordeon_dask.actors.transport._frames import _HEAD
from akkordeon_dask.actors.transport._host import host_identity
from akkordeon_dask.actors.transport._link import Link
from akkordeon_dask.actors.transport._listener import greet
from akkordeon_dask.messages import Address, nbytes
from tests.support.local_links import lines, over_tcp, post, run_story, sent_and_kept, sockets
from tests.support.patience import PATIENCE
from tests.support.post_offices import Kept, forward, holds
from tests.support.programs import environment

pytestmark = pytest.mark.skipif(host_identity() is None, reason="this system has no network namespaces")


def test_a_broken_connection_is_made_again_over_a_socket():
    async def story(here, there, kept):
        for turn in range(5):
            await sent_and_kept(here, there, kept, turn)
            here.links[there.address].disconnect()
        assert kept.sequences == list(range(5)) and not over_tcp(there)
        [seen] = here.statistics()
        assert (seen.sent, seen.lost, seen.connects) == (5, 0, 5)
        await holds(lambda: not sockets(there))

    run_story(story)


def test_a_peer_that_ends_its_socket_is_noticed_while_nothing_is_sent():
    async def story(here, there, kept):
        await sent_and_kept(here, there, kept, 0)
        await there._station.close()
        await holds(lambda: here.links[there.address]._local is None)
        await sent_and_kept(here, there, kept, 1)
        assert not over_tcp(there)

    run_story(story)


class Echo(Kept):
    """Sends every message on to the other office's actor, in the thread that delivered it."""

    def __init__(self, office, peer, limit):
        super().__init__()
        self._office, self._peer, self._limit = office, peer, limit
        self.done = threading.Event()

    def receive(self, message):
        super().receive(message)
        if len(self.messages) == self._limit:
            self.done.set()
        if len(self.messages) <= self._limit:
            self._office.send(Address(self._peer.address, "echo"), message)


def test_promise_2_workers_that_flood_each_other_with_full_sockets_never_wait():
    balls, size, limit = 40, 100_000, 800

    async def story(here, there, kept):
        echoes = {office: Echo(office, peer, limit) for office, peer in ((here, there), (there, here))}
        for office, echo in echoes.items():
            office.add("echo", echo.cell())
            # As the reader's thread runs turns: nobody reads while it sends.
            office.deliver = lambda actor, message, receive=echo.receive: receive(message)
        for office, peer in ((here, there), (there, here)):
            post(office, peer, *range(balls), size=size, actor="echo")
        for echo in echoes.values():
            assert await asyncio.to_thread(echo.done.wait, PATIENCE)
        for link in (here.links[there.address], here.links[there.address]):
            assert (link.statistics().lost, link.statistics().connects) == (0, 1)
        assert not over_tcp(here) and not over_tcp(there)
        contents = [message.x[0, -1] == message.header.sequence for message in echoes[here].messages]
        assert all(contents) and len(contents) >= limit

    run_story(story)


def test_many_threads_may_send_and_each_keeps_its_order():
    async def story(here, there, kept):
        starts = (0, 1000, 2000)
        posts = [asyncio.to_thread(post, here, there, *range(start, start + 200), size=5000) for start in starts]
        await asyncio.gather(*posts)
        await holds(lambda: len(kept.messages) == 600)
        for start in starts:
            mine = [sequence for sequence in kept.sequences if start <= sequence < start + 200]
            assert mine == list(range(start, start + 200))
        assert (here.statistics()[0].lost, here.statistics()[0].connects) == (0, 1)

    run_story(story)


class Stalled:
    """Holds the thread that reads at an office until it is let go."""

    def __init__(self, office):
        self.go = threading.Event()
        self.held = threading.Event()
        deliver = office.deliver

        def waits(actor, message):
            self.held.set()
            assert self.go.wait(PATIENCE)
            deliver(actor, message)

        office.deliver = waits


def test_a_peer_that_does_not_read_is_cut_off_above_the_bound_and_later_messages_pass(caplog):
    async def story(here, there, kept):
        stalled = Stalled(there)
        post(here, there, 0)
        assert await asyncio.to_thread(stalled.held.wait, PATIENCE)
        with caplog.at_level(logging.INFO):
            post(here, there, *range(1, 21), size=100_000)
            link = here.links[there.address]
            await holds(lambda: link.statistics().lost > 0)
        assert f"bytes are unread by {there.address}, the bound is 8000000" in caplog.text
        await holds(lambda: not link._queue)
        stalled.go.set()
        await sent_and_kept(here, there, kept, 99)
        seen = link.statistics()
        assert seen.sent + seen.lost == 22 and seen.connects >= 2

    run_story(story, link__max_unsent="8MB")


def test_messages_above_the_bound_are_sent(caplog):
    async def story(here, there, kept):
        post(here, there, *range(8), size=500_000)
        await holds(lambda: len(kept.messages) == 8)
        seen = here.links[there.address].statistics()
        assert kept.sequences == list(range(8)) and (seen.lost, seen.connects) == (0, 1)

    run_story(story, link__max_unsent="1MB")


def test_messages_that_a_full_socket_does_not_take_are_written_before_a_link_ends():
    async def story(here, there, kept):
        stalled = Stalled(there)
        post(here, there, *range(40), size=50_000)
        assert await asyncio.to_thread(stalled.held.wait, PATIENCE)
        link = here.links[there.address]
        await holds(lambda: link._queue and link._local.full)  # the writer may be between two messages
        closing = asyncio.create_task(link.close())
        await asyncio.sleep(0)
        stalled.go.set()
        await closing
        await holds(lambda: len(kept.messages) == 40)
        assert kept.sequences == list(range(40)) and link.statistics().lost == 0

    run_story(story, link__linger=PATIENCE)


def test_a_message_that_cannot_be_sent_is_logged_and_the_others_pass(caplog):
    async def story(here, there, kept):
        await sent_and_kept(here, there, kept, 0)
        bad = forward(1)
        object.__setattr__(bad, "x", np.array([{}]))
        here.send(Address(there.address, "actor"), bad)
        await sent_and_kept(here, there, kept, 2)
        seen = here.statistics()[0]
        assert (seen.sent, seen.lost, seen.connects) == (2, 1, 1)
        assert seen.unsent == seen.nbytes == 2 * nbytes(forward(0))

    run_story(story)
    assert "could not send" in caplog.text


async def stranger(office):
    """A connection of one who knows the secret."""
    offer = office._station.offer(host_identity())
    return await greet(offer["path"], offer["secret"], "tcp://a-stranger:1")


def test_garbage_is_a_dead_letter_and_a_frame_above_the_bound_the_end(caplog):
    async def story(here, there, kept):
        loop = asyncio.get_running_loop()
        with contextlib.closing(await stranger(there)) as connection, caplog.at_level(logging.WARNING):
            await loop.sock_sendall(connection, _HEAD.pack(3, 5) + b"\xc1\xc1\xc1" + b"12345")
            await holds(lambda: there.dead_letters == 1)
            await loop.sock_sendall(connection, _HEAD.pack(1, 10**12))
            assert await loop.sock_recv(connection, 1) == b""
        assert "dropped a message from tcp://a-stranger:1" in caplog.text
        assert "ended the link from tcp://a-stranger:1" in caplog.text
        await sent_and_kept(here, there, kept, 0)

    run_story(story)


HALF = """
import asyncio, sys
from akkordeon_dask.actors.transport._frames import _HEAD
from akkordeon_dask.actors.transport._listener import greet
async def main():
    connection = await greet(sys.argv[1], bytes.fromhex(sys.argv[2]), "tcp://dies:1")
    await asyncio.get_running_loop().sock_sendall(connection, _HEAD.pack(3, 100_000) + bytes(50_000))
    print("half", flush=True)
    await asyncio.sleep(100)
asyncio.run(main())
"""


def test_a_process_that_is_killed_in_the_middle_of_a_frame_leaves_nothing(caplog):
    async def story(here, there, kept):
        offer = there._station.offer(host_identity())
        arguments = ("-c", HALF, offer["path"], offer["secret"].hex())
        pipe = asyncio.subprocess.PIPE
        dies = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=pipe, env=environment())
        async with asyncio.timeout(PATIENCE):
            assert await dies.stdout.readline() == b"half\n"
            assert len(sockets(there)) == 1
            dies.send_signal(signal.SIGKILL)
            await dies.wait()
        await holds(lambda: not sockets(there))
        assert not kept.messages and not there.dead_letters
        await sent_and_kept(here, there, kept, 0)

    run_story(story)
    assert not [line for line in lines(caplog) if "dies" in line]


def test_who_has_delivered_may_run_turns(caplog):
    async def story(here, there, kept):
        ran = threading.Event()

        def turns(deliver_all):
            deliver_all()
            if kept.messages:
                ran.thread = threading.current_thread().name
                ran.set()
                raise ZeroDivisionError("a turn failed")

        there.run_turns = turns
        there.deliver = lambda actor, message: kept.receive(message)
        for sequence in range(3):
            ran.clear()
            await sent_and_kept(here, there, kept, sequence)
            assert await asyncio.to_thread(ran.wait, PATIENCE)
        assert ran.thread == "akkordeon link reader 0"

    run_story(story)
    assert "akkordeon link reader 0 continues after an error" in caplog.text


@pytest.mark.parametrize("threads", [1, 2])
def test_as_many_threads_as_the_setting_says_serve_all_peers(threads):
    def running(kind):
        return [thread for thread in threading.enumerate() if thread.name.startswith(f"akkordeon link {kind}")]

    async def story(here, there, kept):
        for number in range(3):
            here.links[f"link {number}"] = link = Link(here.worker, there.address, here._station)
            link.send("actor", forward(number))
        await holds(lambda: len(kept.messages) == 3)
        assert len(sockets(there)) == 3
        assert len(running("reader")) == len(running("writer")) == threads

    run_story(story, link__threads=threads)
