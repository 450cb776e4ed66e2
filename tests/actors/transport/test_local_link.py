"""Links over UNIX sockets: who may use one, what happens when it fails, and that no sender waits for it."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading

import dask.config
import numpy as np
import pytest

from akkordeon_dask.actors.transport import _host, _listener
from akkordeon_dask.actors.transport._frames import _HEAD
from akkordeon_dask.actors.transport._host import check_peer, host_identity
from akkordeon_dask.actors.transport._link import LINK_OP, Link
from akkordeon_dask.actors.transport._listener import _GREETING, greet
from akkordeon_dask.actors.transport._local_station import LocalStation
from akkordeon_dask.actors.transport._post_office import PostOffice
from akkordeon_dask.errors import DeploymentError
from akkordeon_dask.messages import Address, Leave, nbytes
from tests.support.for_each import for_each
from tests.support.post_offices import Kept, forward, holds, offices
from tests.support.programs import environment

pytestmark = pytest.mark.skipif(host_identity() is None, reason="this system has no network namespaces")


def run_story(story, **settings):
    """Run a story between two post offices of one host; `kept` is an actor of the second one."""

    async def run():
        kept = Kept()
        async with offices("unix") as (here, there):
            there.add("actor", kept.cell())
            await story(here, there, kept)

    with dask.config.set({f"akkordeon.{key.replace('__', '.').replace('_', '-')}": v for key, v in settings.items()}):
        asyncio.run(run())


def post(here, there, *sequences, size=4, actor="actor"):
    """Send batches to an actor of the other office."""
    for sequence in sequences:
        here.send(Address(there.address, actor), forward(sequence, size))


async def sent_and_kept(here, there, kept, sequence):
    """Send one batch and wait until it has arrived."""
    post(here, there, sequence)
    await holds(lambda: sequence in kept.sequences)


def over_tcp(office):
    """How many links come to this worker over Dask's comms."""
    return sum(op == LINK_OP for op in office.worker._comms.values())


def sockets(office):
    """The connections over which this worker reads."""
    listener = office._station._listener
    return [] if listener is None else [fd for poller in listener._readers for fd in poller._sockets]


def lines(caplog):
    """The transport's log."""
    return [record.getMessage() for record in caplog.records if "akkordeon" in record.name]


def test_workers_of_one_host_use_a_socket_and_no_comm():
    async def story(here, there, kept):
        await sent_and_kept(here, there, kept, 0)
        assert len(sockets(there)) == 1 and not over_tcp(there)
        assert not sockets(here)

    run_story(story)


@for_each("first", ["/proc/sys/kernel/random/boot_id", "network namespace", "user"])
def test_processes_of_another_boot_namespace_or_user_are_told_nothing(first):
    mine = host_identity()
    at = ["machine", "/proc/sys/kernel/random/boot_id", "network namespace", "user"].index(first)
    station = LocalStation("tcp://127.0.0.1:1", Kept())
    assert station.offer([*mine[:at], mine[at] + "0", *mine[at + 1 :]]) is None
    assert station.offer(None) is None and station.offer(["1"]) is None
    assert station._listener is None


@for_each("mine, peer", [("tls://h:1", "tls://h:2"), ("tcp://h:1", "tls://h:2"), ("ucx://h:1", "ucx://h:2")])
def test_with_tls_and_other_protocols_nobody_asks_for_a_socket(mine, peer):
    assert asyncio.run(LocalStation(mine, Kept()).ask(object(), peer)) is None


def test_never_means_tcp_on_either_side(monkeypatch):
    async def story(here, there, kept):
        with dask.config.set({"akkordeon.link.local": "never"}):
            assert await here._station.ask(object(), there.address) is None
            assert there._station.offer(host_identity()) is None
            await sent_and_kept(here, there, kept, 0)
        assert over_tcp(there) == 1 and not sockets(there)

    run_story(story)


@for_each("key, value", [("local", "always"), ("local", None), ("threads", 0), ("threads", "many")])
def test_settings_that_are_none_are_refused_when_the_post_office_opens(key, value):
    async def story():
        async with offices("inproc") as (here, _):
            await here.worker.plugin_remove(name=PostOffice.name)
            setting = dask.config.set({f"akkordeon.link.{key}": value})
            with setting, pytest.raises(DeploymentError, match=rf"akkordeon.link.{key}.*{value!r}"):
                await PostOffice.of(here.worker)

    asyncio.run(story())


def test_another_host_is_reached_over_tcp_without_a_word(caplog):
    async def story(here, there, kept):
        here._station._host = ("another", *here._station._host[1:])
        with caplog.at_level(logging.INFO):
            await sent_and_kept(here, there, kept, 0)
        assert over_tcp(there) == 1 and not sockets(there)
        assert not lines(caplog)

    run_story(story)


@pytest.mark.parametrize("wrong", [{"path": "/nowhere/s"}, {"secret": bytes(32)}, {"secret": b"short"}, {"path": 3}])
def test_a_socket_that_cannot_be_used_is_one_line_and_tcp(wrong, caplog, monkeypatch):
    async def story(here, there, kept):
        offer = there._station.offer
        monkeypatch.setattr(there._station, "offer", lambda host: offer(host) | wrong)
        with caplog.at_level(logging.INFO):
            await sent_and_kept(here, there, kept, 0)
            here.links[there.address].disconnect()
            await sent_and_kept(here, there, kept, 1)
        assert over_tcp(there) == 1 and not sockets(there)
        said = [line for line in lines(caplog) if "uses TCP" in line]
        assert len(said) == 1 and there.address in said[0]
        assert here.statistics()[0].lost == 0

    run_story(story)


@pytest.mark.parametrize("side", [0, 1])
def test_a_peer_of_another_user_is_refused_by_either_side(side, caplog, monkeypatch):
    asked = []

    def other_user(connection):
        asked.append(connection)
        if len(asked) == side + 1:
            raise PermissionError("process 1 belongs to user 5, this one to user 6")

    async def story(here, there, kept):
        monkeypatch.setattr(_listener, "check_peer", other_user)
        with caplog.at_level(logging.INFO):
            await sent_and_kept(here, there, kept, 0)
        assert "belongs to user 5" in caplog.text and over_tcp(there) == 1 and not sockets(there)

    run_story(story)


def test_the_user_of_a_peer_is_the_kernels_word(monkeypatch):
    with contextlib.ExitStack() as stack:
        one, _ = (stack.enter_context(end) for end in socket.socketpair(socket.AF_UNIX))
        check_peer(one)
        mine = os.getuid()
        monkeypatch.setattr(_host.os, "getuid", lambda: mine + 1)
        with pytest.raises(PermissionError, match=f"{os.getpid()} belongs to user {mine}, this one to user {mine + 1}"):
            check_peer(one)


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
            assert await asyncio.to_thread(echo.done.wait, 60)
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
            assert self.go.wait(20)
            deliver(actor, message)

        office.deliver = waits


def test_a_peer_that_does_not_read_is_cut_off_above_the_bound_and_later_messages_pass(caplog):
    async def story(here, there, kept):
        stalled = Stalled(there)
        post(here, there, 0)
        assert await asyncio.to_thread(stalled.held.wait, 10)
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
        assert await asyncio.to_thread(stalled.held.wait, 10)
        link = here.links[there.address]
        assert link._queue and link._local.full
        closing = asyncio.create_task(link.close())
        await asyncio.sleep(0)
        stalled.go.set()
        await closing
        await holds(lambda: len(kept.messages) == 40)
        assert kept.sequences == list(range(40)) and link.statistics().lost == 0

    run_story(story, link__linger="20s")


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


@pytest.mark.parametrize("word", [b"", b"x" * 5, _GREETING.pack(bytes(32), 5) + b"hello"])
def test_nobody_is_listened_to_without_the_secret(word, caplog):
    async def story(here, there, kept):
        loop = asyncio.get_running_loop()
        offer = there._station.offer(host_identity())
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection, caplog.at_level(logging.INFO):
            connection.setblocking(False)
            await loop.sock_connect(connection, offer["path"])
            await loop.sock_sendall(connection, word)
            with contextlib.suppress(ConnectionResetError):
                assert await loop.sock_recv(connection, 1) == b""
        assert "refused a connection" in caplog.text and not sockets(there)

    run_story(story, timeouts__connect="200ms")


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
        async with asyncio.timeout(30):
            assert await dies.stdout.readline() == b"half\n"
            assert len(sockets(there)) == 1
            dies.send_signal(signal.SIGKILL)
            await dies.wait()
        await holds(lambda: not sockets(there))
        assert not kept.messages and not there.dead_letters
        await sent_and_kept(here, there, kept, 0)

    run_story(story)
    assert not [line for line in lines(caplog) if "dies" in line]


def test_a_peer_whose_offer_fails_is_reached_over_tcp(caplog, monkeypatch):
    def fails(host):
        raise ZeroDivisionError("nothing to offer")

    async def story(here, there, kept):
        monkeypatch.setattr(there._station, "offer", fails)
        with caplog.at_level(logging.INFO):
            await sent_and_kept(here, there, kept, 0)
        assert over_tcp(there) == 1 and "nothing to offer" in caplog.text

    run_story(story)


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
            assert await asyncio.to_thread(ran.wait, 10)
        assert ran.thread == "akkordeon link reader 0"

    run_story(story)
    assert "akkordeon link reader 0 continues after an error" in caplog.text


def test_a_worker_without_actors_offers_no_socket():
    async def story():
        async with offices("unix") as (here, there):
            here.send(Address(there.address, "actor"), Leave("net", Address("w", "a")))
            await holds(lambda: there.dead_letters == 1)
            assert over_tcp(there) == 1 and there._station._listener is None

    asyncio.run(story())


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
