"""Every verb, cut short at each of its awaits: the cluster is as before the call, or as after it."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from distributed import Client, LocalCluster

from akkordeon_dask import Running, connect, deploy
from akkordeon_dask.actors import SentinelActor
from akkordeon_dask.errors import ClosedError
from akkordeon_dask.runtime import networks, pause, resume, stop
from tests.support.cut_verbs import CtrlC, CutAtAwait, CutAtStep
from tests.support.leftovers import wait_until
from tests.support.patience import scaled_seconds
from tests.support.small_networks import NETWORK, numbers, train

pytestmark = pytest.mark.slow

WITHIN = scaled_seconds(5)
"""Seconds until the cluster is as before or as after."""

NOTHING = ([], [], [], [])
"""The state of a cluster without a network."""


@pytest.fixture(scope="module")
def workers(_debug):
    """Two workers in this process."""
    with LocalCluster(n_workers=2, processes=False, threads_per_worker=1, dashboard_address=":0") as running:
        yield running


async def seen(cluster, client):
    """The names, the keys without what is random in them, the actors' workers, the sentinels' states."""
    known = set(cluster.scheduler.tasks)
    actors = [(one, key) for one in cluster.workers.values() for key in list(one.state.actors) if key in known]
    where = sorted((plain(key), worker.name) for worker, key in actors)
    sentinels = [worker.state.actors[key] for worker, key in actors]
    states = [await state(one) for one in sentinels if isinstance(one, SentinelActor)]
    keys = sorted(map(plain, cluster.scheduler.tasks))
    return await networks.aio(client), keys, where, sorted(states)


async def state(sentinel):
    try:
        return (await sentinel.statistics()).state
    except ClosedError:
        return "closed"


def plain(key):
    """The network and the actor."""
    return "-".join(str(key).split("-")[1:3])


class Story:
    """A network and what is done with it."""

    def __init__(self, client, stack, folder):
        self.client, self.stack, self.folder = client, stack, folder

    async def network(self):
        self.running = await self.stack.enter_async_context(await deploy.aio(NETWORK, self.client, name="cut"))

    async def trained(self):
        await self.network()
        self.attached = await self.running.aio.attach(train(name="one", epochs=10**6))
        await self.running.aio.attach(train(name="two", epochs=10**6))

    async def paused(self):
        await self.trained()
        await self.running.aio.pause()

    async def nothing(self):
        pass

    def moving(self):
        gate, worker = next(iter(self.running.placement.items()))
        return self.running.aio.move(gate, next(one for one in self.workers if one != worker))


STORIES = {
    "deploy": ("nothing", lambda s: deploy.aio(NETWORK, s.client, name="cut")),
    "connect": ("network", lambda s: connect.aio("cut", s.client)),
    "attach": ("network", lambda s: s.running.aio.attach(train(name="one", epochs=10**6))),
    "detach": ("trained", lambda s: s.running.aio.detach(s.attached)),
    "pause": ("trained", lambda s: s.running.aio.pause()),
    "resume": ("paused", lambda s: s.running.aio.resume()),
    "pause a network": ("trained", lambda s: pause.aio("cut", s.client)),
    "resume a network": ("paused", lambda s: resume.aio("cut", s.client)),
    "move": ("network", Story.moving),
    "save": ("network", lambda s: s.running.aio.save(s.folder / "cut.safetensors")),
    "predict": ("network", lambda s: s.running.aio.predict(numbers()[0])),
    "close": ("trained", lambda s: s.running.aio.close()),
    "stop": ("trained", lambda s: stop.aio("cut", s.client)),
}


async def until(cluster, client, allowed):
    """Wait until the cluster is in one of the states."""
    loop = asyncio.get_running_loop()
    end = loop.time() + WITHIN
    while (now := await seen(cluster, client)) not in allowed:
        assert loop.time() < end, f"{now} is none of {allowed}"
        await asyncio.sleep(0.01)


async def cut_everywhere(cluster, verb, folder, monkeypatch, kind):
    """Call the verb uncut, and then cut at each await until it ends by itself; returns the number of cuts."""
    begin, act = STORIES[verb]
    after, number = None, 10**6
    while True:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(Client(cluster, asynchronous=True))
            story = Story(client, stack, folder)
            story.workers = [worker.address for worker in cluster.workers.values()]
            await until(cluster, client, [NOTHING])
            await getattr(story, begin)()
            before = await seen(cluster, client)
            with monkeypatch.context() as patch:
                cut, result = await kind(patch, number).call(act(story))
            if isinstance(result, Running):
                stack.push_async_exit(result)
            if after is None:
                known = {"close": NOTHING, "predict": before}  # keys go a little later than these verbs return
                after, number = known.get(verb) or await seen(cluster, client), -1
            else:
                await until(cluster, client, [before, after] if cut else [after])
            if verb == "close":
                await story.running.aio.close()
                await until(cluster, client, [NOTHING])
        if not cut and number >= 0:
            return number
        number += 1


@pytest.mark.parametrize("kind", [CutAtAwait, CutAtStep])
@pytest.mark.parametrize("verb", STORIES)
def test_a_verb_that_is_cut_short_leaves_the_cluster_as_before_or_as_after(workers, verb, kind, tmp_path, monkeypatch):
    assert workers.sync(cut_everywhere, workers, verb, tmp_path, monkeypatch, kind) >= 1


def test_ctrl_c_at_any_await_of_deploy_and_close_leaves_nothing(workers, monkeypatch):
    with Client(workers) as client:
        ended, number, first = False, 0, 0
        while not ended:
            with monkeypatch.context() as patch:
                interrupted, running = CtrlC(patch, number).call(deploy, NETWORK, client, name="cut")
            if running is not None:
                with monkeypatch.context() as patch:
                    interrupted, _ = CtrlC(patch, number - first).call(running.close)
                running.close()
                ended = not interrupted
            else:
                first = number + 1
            wait_until(lambda: not (workers.scheduler.tasks or networks(client)), within=WITHIN)
            number += 1
    assert number - first > 1
