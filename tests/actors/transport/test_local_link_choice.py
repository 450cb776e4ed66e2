"""Links over UNIX sockets: who uses one, and who is refused or reached over TCP."""

import asyncio
import contextlib
import logging
import os
import socket

import dask.config
import pytest

from akkordeon_dask.actors.transport import _host, _listener
from akkordeon_dask.actors.transport._host import check_peer, host_identity
from akkordeon_dask.actors.transport._listener import _GREETING
from akkordeon_dask.actors.transport._local_station import LocalStation
from akkordeon_dask.actors.transport._post_office import PostOffice
from akkordeon_dask.errors import DeploymentError
from akkordeon_dask.messages import Address, Leave
from tests.support.for_each import for_each
from tests.support.local_links import lines, over_tcp, run_story, sent_and_kept, sockets
from tests.support.post_offices import Kept, holds, offices

pytestmark = pytest.mark.skipif(host_identity() is None, reason="this system has no network namespaces")


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


def test_a_peer_whose_offer_fails_is_reached_over_tcp(caplog, monkeypatch):
    def fails(host):
        raise ZeroDivisionError("nothing to offer")

    async def story(here, there, kept):
        monkeypatch.setattr(there._station, "offer", fails)
        with caplog.at_level(logging.INFO):
            await sent_and_kept(here, there, kept, 0)
        assert over_tcp(there) == 1 and "nothing to offer" in caplog.text

    run_story(story)


def test_a_worker_without_actors_offers_no_socket():
    async def story():
        async with offices("unix") as (here, there):
            here.send(Address(there.address, "actor"), Leave("net", Address("w", "a")))
            await holds(lambda: there.dead_letters == 1)
            assert over_tcp(there) == 1 and there._station._listener is None

    asyncio.run(story())
