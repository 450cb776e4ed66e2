"""Keys on the scheduler: a client counts those that it works with, as long as it does, and no others."""

import threading

import pytest

from akkordeon_dask import Gate, Sentinel, data, nn
from akkordeon_dask.errors import DataError, DeploymentError, SpecError
from akkordeon_dask.runtime._registry import connect_gates, require
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
        assert len(running.wait(timeout=30)) == 1, f"the scheduler listens no more, after {kept.value}"


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
            guest.wait(timeout=30)
        assert bystander.counted == set()


def test_gates_that_are_gone_by_now_are_named(user, somebody, nothing_left):
    with user.deploy(NETWORK, name="going") as running:
        entry = somebody.client.sync(require, somebody.client, "going")
        worker = running.placement["g0"]
    nothing_left()
    with pytest.raises(DeploymentError, match=f"network 'going' has lost gate 'g0' on {worker}, 'g1' on .*deploy it"):
        somebody.client.sync(connect_gates, somebody.client, entry)
    assert not somebody.client.refcount
