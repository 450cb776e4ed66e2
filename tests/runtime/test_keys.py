"""Keys on the scheduler: a client counts those that it works with, as long as it does, and no others."""

import asyncio
import threading
from types import SimpleNamespace

import pytest

from akkordeon_dask import Gate, Sentinel, data, nn
from akkordeon_dask.errors import DataError, DeploymentError, SpecError
from akkordeon_dask.messages import gate_key
from akkordeon_dask.runtime._cuts import _holders
from akkordeon_dask.runtime._registry import connect_gates, require
from akkordeon_dask.runtime.clients._owner_requests import _ask_unnamed
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, SGD, Thirteen, rating, train
from tests.support.sync_and_async_client import Bystander

LOCK = threading.Lock()


@pytest.mark.parametrize(
    ("provider", "error"),
    [(data.stream(lambda: [LOCK]), SpecError), (data.stream(b for b in [1]), DataError)],
    ids=["unpicklable", "generator"],
)
def test_an_argument_that_cannot_travel_leaves_no_key_in_its_client_while_its_error_is_kept(
    user, eventually, provider, error
):
    with user.deploy(NETWORK) as running:
        before = set(user.client.refcount)
        with pytest.raises(error, match="cannot travel") as kept:
            running.attach(Sentinel.train(provider))
        eventually(lambda: set(user.client.refcount) == before, seen=lambda: user.client.refcount)
        with pytest.raises(DeploymentError, match="no network named 'nobody'"):
            user.connect("nobody")  # tells the scheduler all keys of the client
        running.attach(train(epochs=1))
        assert len(running.wait(timeout=PATIENCE)) == 1, f"the scheduler listens no more, after {kept.value}"


def test_a_gate_that_cannot_travel_releases_the_others_while_its_error_is_kept(user, nothing_left):
    sealed = Gate(nn.Linear(6, 5), SGD) | Gate(nn.Linear(5, 3) >> Thirteen(threading.Lock()), SGD)
    with pytest.raises(SpecError, match="gate 'g1' cannot travel") as kept:
        user.deploy(sealed)
    nothing_left()
    assert not user.client.refcount, kept.value


def test_a_bystander_that_is_the_default_client_never_counts_a_key(user, somebody, cluster):
    with Bystander(cluster.scheduler.address) as bystander:
        with user.deploy(NETWORK, name="shared") as running, somebody.connect("shared") as guest:
            guest.attach(train(epochs=1))
            running.detach(running.attach(train()))
            running.evaluate(rating())
            guest.wait(timeout=PATIENCE)
        assert bystander.counted == set()


def test_gates_that_are_gone_by_now_are_named(user, somebody, nothing_left):
    with user.deploy(NETWORK, name="going") as running:
        entry = somebody.client.sync(require, somebody.client, "going")
        worker = running.placement["g0"]
    nothing_left()
    with pytest.raises(DeploymentError, match=f"network 'going' has lost gate 'g0' on {worker}, 'g1' on .*deploy it"):
        somebody.client.sync(connect_gates, somebody.client, entry)
    assert not somebody.client.refcount


def scheduler_with(*keys):
    """A scheduler that has these actors, each on a worker and of a client that are called as the key."""
    tasks = {
        key: SimpleNamespace(
            actor=True, who_has=[SimpleNamespace(address=key)], processing_on=None,
            who_wants=[SimpleNamespace(client_key=key)],
        )
        for key in keys
    }  # fmt: skip
    return SimpleNamespace(tasks=tasks, clients={}, extensions={})


def test_the_workers_of_a_network_are_not_those_of_one_whose_name_begins_alike():
    own, others = gate_key("digits", "g0"), gate_key("digits-2", "g0")
    assert _holders("digits", scheduler_with(own, others)) == [own]
    assert _holders("digits-2", scheduler_with(own, others)) == [others]


def test_the_first_part_of_a_label_is_no_network_without_a_name():
    scheduler = scheduler_with(gate_key("network-0a1b", "g0"))
    request = {"id": "one", "verb": "publish", "arguments": []}
    assert asyncio.run(_ask_unnamed("network", request, 1e9, scheduler)) == "gone"
    scheduler.clients = dict.fromkeys(scheduler.tasks)
    sent = []
    scheduler.client_send = lambda owner, event: sent.append(owner) or scheduler.clients.clear()
    assert asyncio.run(_ask_unnamed("network-0a1b", request, 1e9, scheduler)) == "gone" and sent == [*scheduler.tasks]
