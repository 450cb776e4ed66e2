"""Gates that take something of their workers, on a cluster that several clients use."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from akkordeon_dask import beside, deploy, plan
from akkordeon_dask.errors import NameConflictError, PlacementError, SpecError
from akkordeon_dask.runtime import _deploy
from tests.support.patience import PATIENCE
from tests.support.resource_cluster import asking, claims, nothing_is_left, stocked_cluster
from tests.support.small_networks import SAMPLES, numbers, rating, three_gates, train
from tests.support.sync_and_async_client import AsynchronousUser, SynchronousUser


@pytest.fixture(scope="module")
def stocked(_debug):
    with stocked_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module", params=[SynchronousUser, AsynchronousUser], ids=["sync", "async"])
def owner(request, stocked):
    with request.param(stocked.scheduler.address) as somebody:
        yield somebody


@pytest.fixture(scope="module")
def rival(stocked):
    """Another client of the cluster."""
    with SynchronousUser(stocked.scheduler.address) as other:
        yield other


@pytest.fixture(autouse=True)
def _nothing_left(stocked):
    yield
    nothing_is_left(stocked)


@pytest.mark.parametrize(
    "network",
    [asking(1, 0, 1, 1), asking(2, 0, 0, 0, 0), three_gates(), three_gates(g0="carol", g2=beside("g0"))],
    ids=["asks", "one asks", "plain", "wishes"],
)
def test_the_plan_is_where_the_gates_go(owner, stocked, network):
    placed = owner.call(plan, network, owner.client)
    assert not stocked.scheduler.tasks
    with owner.deploy(network) as running:
        assert {one.gate: one.address for one in placed} == running.placement
    assert all(one.worker in str(placed) and one.reason in str(placed) for one in placed)


def test_gates_land_on_workers_that_have_what_they_take(owner, stocked):
    with owner.deploy(asking(1, 1, 1), name="greedy") as running:
        assert {name: len(taken) for name, taken in claims(stocked).items()} == {"alice": 2, "bob": 1}
        running.attach(train(epochs=1))
        assert [report.samples for report in running.wait(timeout=PATIENCE)] == [SAMPLES]
    assert claims(stocked) == {}


def test_a_name_conflict_is_raised_before_a_lack_of_resources(owner, rival):
    with owner.deploy(asking(2, 1), name="mnist"), pytest.raises(NameConflictError):
        rival.deploy(asking(2, 1), name="mnist")


@pytest.mark.parametrize("name", [None, "first"], ids=["unnamed", "published"])
def test_networks_of_two_clients_share_what_there_is(owner, rival, stocked, name):
    with owner.deploy(asking(2, 0), name=name) as first:
        (taken,) = claims(stocked)["alice"]
        assert taken == (first.name, "g0", 2)
        assert "has GPU 1 of 1 free" in str(rival.call(plan, asking(1), rival.client))
        with rival.deploy(asking(1)) as second:
            assert second.placement["g0"] == stocked.workers["bob"].address
            told = (
                rf"alice \(tcp.*\) has GPU 2, of which gate 'g0' of network '{first.name}' has 2; bob \(.* GPU 1, of "
            )
            for verb in (owner.deploy, lambda network: owner.call(plan, network, owner.client)):
                with pytest.raises(PlacementError, match=told):
                    verb(asking(0, 1))
        assert first.predict(numbers()[0]).shape == (SAMPLES, 3)
        with pytest.raises(PlacementError, match=r"carol .* has no GPU: "):
            rival.deploy(asking(1, 1))
    with rival.deploy(asking(1, 2)):
        assert len(claims(stocked)) == 2


def test_a_worker_refuses_resources_claimed_since_the_plan_and_nothing_is_left(owner, rival, stocked, monkeypatch):
    wanted = asking(0, 2, 1)
    stale = rival.call(plan, wanted, rival.client)

    async def as_it_was(*_):
        return stale

    with owner.deploy(asking(1, 0), name="quick") as running:
        before = set(stocked.scheduler.tasks), claims(stocked)
        with monkeypatch.context() as patch:
            patch.setattr(_deploy, "make_plan", as_it_was)
            told = (
                r"gate 'g1' of network 'slow' asks for GPU 2, worker alice \(tcp.*\) has GPU 2, of which gate 'g0' of "
            )
            with pytest.raises(PlacementError, match=told + "network 'quick' has 1: ask for less, close another"):
                rival.deploy(wanted, name="slow")
        assert claims(stocked) == before[1]
        assert running.evaluate(rating()).samples == SAMPLES
    with rival.deploy(wanted, name="slow") as again:
        assert again.placement == {placed.gate: placed.address for placed in stale}


def test_clients_that_deploy_at_once_never_take_more_than_there_is(owner, rival, stocked):
    start = Barrier(2)

    def deploys(user):
        start.wait(PATIENCE)
        try:
            return user.deploy(asking(1, 1))
        except PlacementError:
            return None

    with ThreadPoolExecutor(2) as pool:
        for _ in range(8):
            made = [running for running in pool.map(deploys, (owner, rival)) if running is not None]
            taken = {name: sum(amount for *_, amount in those) for name, those in claims(stocked).items()}
            assert len(made) <= 1 and sum(taken.values()) == 2 * len(made)
            assert taken.get("alice", 0) <= 2 and taken.get("bob", 0) <= 1
            for running in made:
                running.close()
            nothing_is_left(stocked)


def test_a_client_that_lets_go_gives_back_what_its_gates_took(rival, stocked):
    passing = SynchronousUser(stocked.scheduler.address)
    passing.deploy(asking(2, 1))
    with pytest.raises(PlacementError):
        rival.deploy(asking(1))
    passing.close()
    nothing_is_left(stocked)
    rival.deploy(asking(2, 1)).close()


def test_a_sentinel_goes_beside_a_gate(owner, stocked):
    with owner.deploy(asking(0, 2, 1)) as running:
        attached = running.attach(train(workers=beside("g1"), epochs=1))
        assert attached.worker == stocked.workers["alice"].address == running.placement["g1"]
        running.wait(timeout=PATIENCE)
        with pytest.raises(SpecError, match=r"sentinel 'lost' shall be beside gate 'g7', network .* has g0, g1, g2: "):
            running.attach(train(workers=beside("g7"), name="lost"))
        assert set(running.sentinels) == {"train0"}


def test_a_network_that_can_be_nowhere_starts_no_cluster(monkeypatch):
    monkeypatch.setattr(_deploy, "EmbeddedCluster", None)
    with pytest.raises(SpecError, match="gate 'g2' shall be beside gate 'front'"):
        deploy(three_gates(g2=beside("front")))
