"""Verbs: plain functions that block for a synchronous client and are awaited with an asynchronous one."""

import inspect
import pickle

import pytest
from distributed import Client

from akkordeon_dask import History, Running, connect, deploy
from akkordeon_dask.errors import ClosedError, SpecError
from akkordeon_dask.runtime import status
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


def test_a_closed_client_is_an_error_and_leaves_no_coroutine_behind(cluster):
    with Client(cluster) as client:
        pass
    with pytest.raises(OSError, match="is closed"):
        connect("nobody", client)


@pytest.mark.parametrize("verb", [deploy, deploy.aio, connect, Running.wait, Running.wait.aio])
def test_a_verb_is_pickled_by_its_name(verb):
    assert pickle.loads(pickle.dumps(verb)) is verb
