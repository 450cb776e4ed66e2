"""Verbs: plain functions that block for a synchronous client and are awaited with an asynchronous one."""

import asyncio
import contextlib
import copy
import inspect
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from distributed import Client

from akkordeon_dask import History, Running, connect, deploy, stop
from akkordeon_dask.errors import ClosedError, SpecError
from akkordeon_dask.runtime import status
from akkordeon_dask.runtime._sync import block_on
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, train
from tests.support.sync_and_async_client import AsynchronousUser


async def typed(client):
    """A program that says by `aio` that it awaits."""
    async with await deploy.aio(NETWORK, client=client, name="typed") as running:
        attached = await running.aio.attach(train(name="one"))
        history = await running.aio.wait(1)
        assert history == running.history and isinstance(history, History)
        await running.aio.detach(attached)
        with pytest.raises(SpecError, match="timeout is a time"):
            running.aio.wait(timeout=-1)
        assert [network.name for network in await status.aio(client, "typed")] == ["typed"]
        closing = running.aio.close()
        assert inspect.iscoroutine(closing) and await closing is None
    with pytest.raises(ClosedError, match="'typed' is closed"):
        await running.aio.pause()


def test_an_asynchronous_program_awaits_aio(cluster):
    with AsynchronousUser(cluster.scheduler.address) as user:
        user.call(typed, user.client)


def test_aio_refuses_a_synchronous_client_at_the_call(somebody):
    for options in ({}, {"client": somebody.client}):
        with pytest.raises(SpecError, match=r"deploy\.aio takes an asynchronous client: write Client"):
            deploy.aio(NETWORK, **options)
    with somebody.deploy(NETWORK) as running, pytest.raises(SpecError, match=r"running\.aio takes an asynchronous"):
        _ = running.plain.aio


async def refused_elsewhere(running):
    with pytest.raises(SpecError, match=r"asynchronous client: .*on the event loop that made the client"):
        _ = running.aio
    for verb in (running.pause, partial(status, running.client)):
        with pytest.raises(SpecError, match="the event loop that made it does not run: await verbs there"):
            verb()


def test_verbs_of_an_event_loop_that_stands_still_are_refused(cluster):
    async def begin():
        return await deploy.aio(NETWORK, client=await Client(cluster.scheduler.address, asynchronous=True))

    async def end(running):
        await running.aio.close()
        await running.client.close()

    with contextlib.closing(asyncio.new_event_loop()) as loop:
        running = loop.run_until_complete(begin())
        asyncio.run(refused_elsewhere(running))
        loop.run_until_complete(end(running))


def test_a_closed_client_is_an_error_and_leaves_no_coroutine_behind(cluster):
    with Client(cluster) as client:
        pass
    for call in (partial(deploy, NETWORK), partial(connect, "nobody"), partial(stop, "nobody"), status):
        with pytest.raises(ClosedError, match="is closed: make another one"):
            call(client)


def test_the_other_kind_of_with_is_refused_and_the_network_stays_as_it_is(user):
    running = user.deploy(NETWORK)

    async def enter():
        if user.enter == "__enter__":
            async with running.plain:
                pass
        with running.plain:
            pass

    if user.enter == "__enter__":
        with pytest.raises(SpecError, match="a synchronous client: write `with`"):
            asyncio.run(enter())
    else:
        with pytest.raises(SpecError, match="an asynchronous client: write `async with`"):
            user.call(enter)
    running.statistics()
    running.close()


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_a_network_is_not_copied_but_connected_to_by_its_name(running, copied):
    told = rf"network '{running.name}' is neither pickled nor copied.*connect\(name, client\)"
    with pytest.raises(SpecError, match=told):
        copied(running.plain)


@pytest.mark.parametrize("verb", [deploy, deploy.aio, connect, Running.wait, Running.wait.aio])
def test_a_verb_is_pickled_by_its_name(verb):
    assert pickle.loads(pickle.dumps(verb)) is verb


def test_a_verb_that_blocks_ends_with_its_client_whose_event_loop_is_its_own(cluster):
    begun = threading.Event()

    async def endless():
        begun.set()
        await asyncio.Event().wait()

    with ThreadPoolExecutor(1) as pool, Client(cluster.scheduler.address) as client:
        blocked = pool.submit(block_on, client, endless())
        assert begun.wait(PATIENCE)
        client.close()
        with pytest.raises(ClosedError, match=f"client {client.id} was closed, by another thread"):
            blocked.result(PATIENCE)


def test_a_wait_ends_with_its_client_and_no_scheduler_is_blamed(cluster, nothing_left):
    waits = threading.Event()
    with ThreadPoolExecutor(1) as pool, Client(cluster) as client:
        running = deploy(NETWORK, client)
        running.attach(train())
        running.subscribe(lambda report: waits.set())
        waiting = pool.submit(running.wait, epochs=10**6)
        assert waits.wait(PATIENCE)
        client.close()
        with pytest.raises(ClosedError, match=f"client of network '{running.name}' is closed"):
            waiting.result(PATIENCE)
    nothing_left()
