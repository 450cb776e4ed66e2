"""A verb checks its arguments before it sends anything; after an error the network works on."""

import math
from datetime import timedelta

import numpy as np
import pytest

from akkordeon_dask import Sentinel, adopt, connect, data, deploy, plan, stop
from akkordeon_dask.actors import SentinelActor
from akkordeon_dask.errors import SpecError
from akkordeon_dask.runtime import live, networks, status, worker_names
from tests.support.for_each import for_each
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, numbers, rating, train

NO_COUNT = ["3", 2.5, 0, -1, True, math.nan, np.float64(2), [1], np.arange(2)]
NO_TIME = ["soon", "5 parsecs", 0, -1, "-1s", True, math.nan, math.inf, timedelta(0), [], b"1s"]
NO_NAME = [None, 7, "", b"g0", ["g0"], True]
NO_CLIENT = [None, "tcp://10.0.0.1:8786", 7, object()]


@pytest.fixture(scope="module")
def network(user):
    with user.deploy(NETWORK, name="checked") as running:
        running.attach(train(name="tdp"))
        yield running


def refused(call, *args, **options):
    """In the caller's thread, before there is anything to await: quotes the value, in one line."""
    with pytest.raises(SpecError) as told:
        call(*args, **options)
    assert "\n" not in str(told.value)
    return str(told.value)


@for_each("epochs", NO_COUNT)
def test_a_number_of_passes(network, epochs):
    for call, args in ((network.plain.wait, ()), (network.plain.attach, (train(),))):
        assert refused(call, *args, epochs=epochs).startswith("epochs is a whole number of at least 1, not ")


@for_each("batch_size", NO_COUNT)
def test_a_batch_size(network, batch_size):
    said = refused(network.plain.predict, numbers()[0], batch_size=batch_size)
    assert said.startswith("batch_size is a whole number of at least 1, not ")


@for_each("timeout", NO_TIME)
def test_a_time(network, user, timeout):
    assert refused(network.plain.wait, timeout=timeout).startswith("timeout is a time above zero, such as '20s'")
    assert refused(plan, NETWORK, user.client, timeout=timeout).startswith("timeout is a time above zero")


@for_each("name", NO_NAME)
def test_a_name(network, user, name):
    running, client = network.plain, user.client
    calls = [(running.move, name, "0"), (running.move, "g0", name), (running.drain, name), (live, client, name)]
    calls += [(connect, name, client), (adopt, name, client), (stop, name, client)]
    calls += [] if name is None else [(status, client, name)]
    for call, *args in calls:
        assert " is a word, not " in refused(call, *args)
    if name is not None:
        assert "a network's name is a word, not " in refused(deploy, NETWORK, client, name=name)


@for_each("client", NO_CLIENT)
def test_a_client(client):
    for call, *args in ((connect, "n", client), (adopt, "n", client), (stop, "n", client), (status, client)):
        assert "client is a distributed.Client, not " in refused(call, *args)
    for call, *args in ((networks, client), (worker_names, client), (live, client, "n"), (plan, NETWORK, client)):
        assert "client is a distributed.Client, not " in refused(call, *args)
    if client is not None:
        assert "client is a distributed.Client or None, not " in refused(deploy, NETWORK, client)


async def later(report):
    pass


@for_each("listener", [None, 7, "print", later, lambda: None, lambda a, b: None])
def test_a_listener(network, listener):
    assert refused(network.plain.subscribe, listener).startswith("subscribe takes a function")


@for_each("thing", [None, 7, "train0", NETWORK, Sentinel, data.arrays(*numbers())])
def test_a_sentinel(network, thing):
    assert refused(network.plain.attach, thing).startswith("attach takes a Sentinel, e.g. ")
    assert refused(network.plain.evaluate, thing).startswith("evaluate takes a Sentinel.test(...), not ")
    if not isinstance(thing, str):
        assert refused(network.plain.detach, thing).startswith("detach takes an Attached, or a sentinel's name")
    assert refused(network.plain.evaluate, train()).startswith("evaluate takes a Sentinel.test(...), not ")
    assert refused(network.plain.attach, rating(), epochs=2) == "a test sentinel makes one pass: leave epochs=2 out"


@for_each("resume", ["yes", 1, 0, ""])
def test_a_switch(network, resume):
    assert refused(network.plain.attach, train(), resume=resume).startswith("resume is True, False or None, not ")


@for_each(
    "options",
    [
        *({"seed": seed} for seed in ("3", 2.5, True, None, math.nan)),
        *({"snapshot_every": every} for every in ("soon", 0, -1, True, None, math.nan)),
        *({"snapshot_keep": keep} for keep in NO_COUNT),
        *({label: place} for label in ("snapshots", "resume") for place in (7, "", b"x", True)),
    ],
)
def test_an_option_of_deploy(user, cluster, options):
    before = {*cluster.scheduler.tasks}
    (label,) = options
    assert refused(deploy, NETWORK, user.client, **options).startswith(label)
    assert {*cluster.scheduler.tasks} == before


def test_whatever_was_refused_the_sentinel_works_on(network):
    done = len(network.wait(epochs=1, timeout=f"{PATIENCE}s"))
    assert len(network.wait(epochs=np.int64(2), timeout=timedelta(seconds=PATIENCE))) == done + 2
    assert network.sentinels["tdp"].error is None
    assert len(network.predict(numbers()[0], batch_size=np.uint8(7))) == 64


@for_each("epochs", ["3", 2.5, 0, True])
def test_the_actor_refuses_as_well_and_works_on(network, user, epochs):
    async def asked():
        await network.sentinels["tdp"].ask(SentinelActor.count, epochs, 0)

    with pytest.raises(SpecError, match="epochs is a whole number of at least 1, not"):
        user.call(user.client.sync, asked)
    assert network.wait(epochs=1, timeout=PATIENCE)


def test_a_whole_number_of_numpy_counts_updates_between_snapshots(user, tmp_path):
    with user.deploy(NETWORK, snapshots=tmp_path, snapshot_every=np.int64(4)) as running:
        assert running.plain._session.entry.snapshots.updates == 4


def test_a_network_of_this_process_checks_too_and_starts_no_cluster():
    for options in ({"seed": True}, {"name": 7}, {"snapshot_keep": 0}):
        refused(deploy, NETWORK, **options)
