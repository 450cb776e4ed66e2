"""Networks with a name: one for each, found by other clients, closed by their owner."""

import asyncio

import dask.config
import pytest

from akkordeon_dask.errors import (
    ClosedError,
    DeadlineError,
    DeploymentError,
    NameConflictError,
    PlacementError,
    SpecError,
)
from tests.support.gate_versions import versions
from tests.support.patience import PATIENCE, scaled_seconds
from tests.support.small_networks import NETWORK, equal, numbers, three_gates, train
from tests.support.sync_and_async_client import AsynchronousUser


def test_a_name_in_use_is_refused(user, somebody):
    with user.deploy(NETWORK, name="mnist") as running:
        with pytest.raises(NameConflictError, match=r"'mnist' runs on this cluster: .*connect\('mnist', client\)"):
            somebody.deploy(three_gates(), name="mnist")
        with pytest.raises(NameConflictError, match="mnist"):
            user.deploy(NETWORK, name="mnist")
        running.attach(train(epochs=1))
        assert len(running.wait(timeout=PATIENCE)) == 1
    with somebody.deploy(NETWORK, name="mnist") as again:
        assert again.owner


def test_a_command_that_an_error_names_can_be_pasted_whatever_the_network_is_called(user, somebody):
    with (
        user.deploy(NETWORK, name="my net"),
        pytest.raises(NameConflictError, match="`dask akkordeon stop 'my net'`"),
    ):
        somebody.deploy(NETWORK, name="my net")


def test_another_client_finds_it_by_name(user, somebody):
    with user.deploy(NETWORK, name="shared", seed=3) as running:
        with somebody.connect("shared") as guest:
            assert guest.network == NETWORK and guest.placement == running.placement and not guest.owner
            assert equal(guest.parameters(), running.parameters())
            guest.attach(train(epochs=2))
            assert len(guest.wait(timeout=PATIENCE)) == 2
            assert running.passes(mine=True) == () and running.sentinels == {}
            assert versions(running)["g0"] == 8
        assert running.predict(numbers()[0]).shape == (64, 3)
    with pytest.raises(DeploymentError, match="no network named 'shared' on this cluster, there is none"):
        somebody.connect("shared")


# Where a scheduler is asked for a key that it does not know it warns, which is an error here.
def test_clients_with_cancelled_keys_find_it_too(user, somebody):
    x = somebody.client.scatter([1, 2])
    somebody.client.cancel(x)
    with user.deploy(NETWORK, name="shared"), somebody.connect("shared") as other:
        assert len(other.placement) == len(NETWORK.gates)
        assert [one.status for one in x] == ["cancelled"] * 2


def test_a_network_whose_name_somebody_unpublishes_ends_with_that_reason(user, somebody, nothing_left):
    with user.deploy(NETWORK, name="unpublished") as running:
        running.attach(train())
        somebody.client.unpublish_dataset("akkordeon/unpublished")
        with pytest.raises(
            ClosedError, match="'unpublished' has been stopped, or its name unpublished: deploy it again"
        ):
            running.wait(epochs=10**6, timeout=PATIENCE)
    nothing_left()


def test_a_guest_that_leaves_takes_its_sentinels_along(user, somebody):
    with user.deploy(NETWORK, name="shared") as running:
        running.attach(train(name="mine"))
        guest = somebody.connect("shared")
        guest.attach(train(name="theirs"))
        guest.close()
        assert guest.sentinels == {}
        running.wait(epochs=2, timeout=PATIENCE)
        with pytest.raises(ClosedError):
            guest.parameters()


def test_a_guest_gets_an_error_when_the_owner_closes(user, somebody):
    with user.deploy(NETWORK, name="shared"):
        guest = somebody.connect("shared")
        guest.attach(train())
    with pytest.raises(ClosedError, match=r"gate 'g\d' on .* was closed"):
        guest.wait(epochs=10**9)
    guest.close()


@pytest.mark.parametrize(
    ("question", "asks", "limit"),
    [
        ("publish_list", lambda user: user.deploy(NETWORK, name="new"), 0.2),
        ("publish_put", lambda user: user.deploy(NETWORK, name="new"), 1),  # gates have to answer before
        ("publish_get", lambda user: user.connect("known"), 0.2),
        ("who_has", lambda user: user.connect("known"), 0.2),
        ("publish_put", lambda user: user.adopt("known"), 1),
    ],
)
def test_a_scheduler_that_does_not_answer_is_not_waited_for(
    user, cluster, monkeypatch, nothing_left, question, asks, limit
):
    async def stand_still(**asked):
        await released.wait()
        raise OSError("nobody waits for it any more")

    released, seconds = asyncio.Event(), scaled_seconds(limit)
    with user.deploy(NETWORK, name="known"), dask.config.set({"akkordeon.timeouts.control": seconds}):
        with monkeypatch.context() as patch:
            patch.setitem(cluster.scheduler.handlers, question, stand_still)
            with pytest.raises(DeadlineError) as caught:
                asks(user)
        cluster.loop.add_callback(released.set)
    assert f"{cluster.scheduler.address} did not answer within {seconds:g} s: look" in str(caught.value)
    nothing_left()  # though the frames of the error are still there


def test_an_unknown_name_lists_the_known_ones(user, somebody):
    text = "no network named 'c' on this cluster, there is a, b: deploy it first"
    with user.deploy(NETWORK, name="b"), user.deploy(NETWORK, name="a"):
        for verb in (somebody.connect, somebody.adopt):
            with pytest.raises(DeploymentError, match=text):
                verb("c")


@pytest.mark.parametrize(
    ("options", "text"),
    [({"name": ""}, "a word, not ''"), ({"name": 3}, "a word, not 3"), ({"seed": 0.5}, "a whole number, not 0.5")],
)
def test_bad_options_are_quoted(user, options, text):
    with pytest.raises(SpecError, match=text):
        user.deploy(NETWORK, **options)


def test_an_unknown_worker_is_named_beside_the_known_ones(user, cluster):
    addresses = [worker.address for worker in cluster.workers.values()]
    with pytest.raises(PlacementError, match="gate 'g1' asks for worker 'alice', the cluster has ") as caught:
        user.deploy(three_gates(g1="alice"))
    assert all(f"{index} ({address})" in str(caught.value) for index, address in enumerate(addresses))
    assert "dask worker ADDRESS --name alice" in str(caught.value)


def test_gates_ask_for_workers_by_name_or_address(user, cluster):
    first, second = (worker.address for worker in cluster.workers.values())
    with user.deploy(three_gates(g0="1", g1=first, g2=second)) as running:
        assert running.placement == {"g0": second, "g1": first, "g2": second}


def test_sentinels_that_are_attached_together_have_names_of_their_own(cluster, nothing_left):
    user = AsynchronousUser(cluster.scheduler.address)

    async def attach_all(running):
        return await asyncio.gather(*(running.attach(train()) for _ in range(4)))

    running = user.deploy(NETWORK)
    attached = user.call(attach_all, running.plain)
    assert {one.name for one in attached} == set(running.sentinels) == {"train0", "train1", "train2", "train3"}
    running.close()
    nothing_left()
    user.close()
