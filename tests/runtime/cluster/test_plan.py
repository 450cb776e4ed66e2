"""The plan for a cluster: its workers are asked through the client."""

import asyncio

import pytest

from akkordeon_dask import plan
from akkordeon_dask.errors import PlacementError, SpecError
from akkordeon_dask.network import Claim, Resources
from akkordeon_dask.runtime.cluster._plan import make_plan
from tests.support.patience import PATIENCE, scaled_seconds
from tests.support.placement_cases import network

ASKING = network(9, 9, asks=[{"GPU": 1}])


class Cluster:
    """A client, and the scheduler that it has. `answers` are given by worker's name: None is none at all."""

    address = "tcp://scheduler"

    def __init__(self, answers, *, tasks=None, paused=(), limits=None, **resources):
        self.tasks, self.paused, self.limits = tasks or {}, paused, limits or {}
        self.scheduler, self.answers, self.resources, self.asked = self, answers, resources, []

    async def identity(self, n_workers):
        assert n_workers == -1
        workers = {
            f"tcp://{name}": {
                "name": name,
                "host": name,
                "resources": has,
                "status": "paused" if name in self.paused else "running",
                "memory_limit": self.limits.get(name, 0),
            }
            for name, has in self.resources.items()
        }
        return {"workers": workers}

    async def processing(self, workers):
        assert workers is None
        return {f"tcp://{name}": keys for name, keys in self.tasks.items()}

    async def ncores(self, workers):
        there = [f"tcp://{name}" for name in self.resources]
        return {worker: 2 for worker in there if workers is None or worker in workers}

    async def run(self, function, *, workers, on_error):
        assert on_error == "return"
        ((address,), name) = workers, workers[0].removeprefix("tcp://")
        self.asked.append(name)
        if self.answers[name] is None:
            await asyncio.Event().wait()
        return {address: self.answers[name]}

    def plan(self, network, timeout=PATIENCE):
        return asyncio.run(make_plan(network, self, timeout))


def test_workers_are_asked_only_if_they_have_resources_that_a_gate_takes():
    cluster = Cluster({"gpus": ()}, gpus={"GPU": 2}, memory={"MEM": 1}, plain={})
    assert cluster.plan(ASKING)["g0"].worker == "gpus" and cluster.asked == ["gpus"]
    cluster.plan(network(9, 9))
    assert cluster.asked == ["gpus"]


def test_claims_of_gates_of_other_networks_are_not_given_again():
    taken = (Claim("other", "g0", Resources.from_mapping({"GPU": 1})),)
    cluster = Cluster({"one": taken, "two": taken}, one={"GPU": 1}, two={"GPU": 2})
    assert [(placed.worker, placed.reason) for placed in cluster.plan(ASKING)] == [("two", "has GPU 1 of 2 free")]


# Of a module that it lacks, Dask tells in words.
WITHOUT = Exception("""ModuleNotFoundError("No module named 'akkordeon_dask'")""")


@pytest.mark.parametrize(
    "answer", [None, OSError("the comm broke"), WITHOUT], ids=["silent", "broken", "without this package"]
)
def test_a_worker_that_does_not_list_its_claims_gets_no_gate(answer):
    cluster = Cluster({"a": answer, "b": ()}, a={"GPU": 1}, b={"GPU": 1})
    assert cluster.plan(ASKING, timeout=scaled_seconds(0.2))["g0"].worker == "b"
    with pytest.raises(PlacementError, match=r"a \(tcp://a\) has GPU 1, but did not say what is taken of it: start"):
        Cluster({"a": answer}, a={"GPU": 1}).plan(ASKING, timeout=scaled_seconds(0.2))


@pytest.mark.parametrize("client", [None, "tcp://scheduler:8786"])
def test_an_argument_that_is_no_client_is_quoted(client):
    with pytest.raises(SpecError, match=r"client is a distributed.Client, not .*: write Client\(") as caught:
        plan(ASKING, client)
    assert repr(client) in str(caught.value)


def test_a_worker_whose_threads_are_all_taken_is_chosen_last():
    cluster = Cluster({}, tasks={"alice": ["slow-1", "slow-2"], "bob": ["slow-3"], "carol": ["slow-4"] * 2}, alice={},
                      bob={}, carol={})  # fmt: skip
    assert {placed.worker for placed in cluster.plan(network(9, 9, 9, 9))} == {"bob"}
    del cluster.resources["bob"]
    assert {placed.worker for placed in cluster.plan(network(9, 9, 9, 9))} == {"alice", "carol"}


def test_actors_of_ours_that_are_being_created_make_no_worker_busy():
    cluster = Cluster({}, tasks={"alice": ["akkordeon-net-g0-1", "akkordeon-net-g1-2"]}, alice={}, bob={})
    assert {placed.worker for placed in cluster.plan(network(9, 9, 9))} == {"alice", "bob"}


def test_paused_workers_are_passed_over():
    cluster = Cluster({}, paused=("alice",), alice={}, bob={})
    assert {placed.worker for placed in cluster.plan(network(9, 9, 9))} == {"bob"}


def test_whoever_asks_for_a_paused_worker_learns_that_it_is_paused():
    cluster = Cluster({}, paused=("alice",), alice={}, bob={})
    with pytest.raises(PlacementError, match="gate 'g0' asks for worker 'alice', which is paused: its memory"):
        cluster.plan(network(9, 9, g0="alice"))
    del cluster.resources["bob"]
    with pytest.raises(PlacementError, match=r"all workers are paused \(alice \(tcp://alice\)\)"):
        cluster.plan(network(9, 9))


def test_no_worker_gets_parameters_that_its_memory_cannot_hold():
    cluster = Cluster({}, limits={"alice": 100, "bob": 10_000}, alice={}, bob={})
    assert {placed.worker for placed in cluster.plan(network(9, 9, 9))} == {"bob"}
    with pytest.raises(PlacementError, match=r"gate 'g0' has 40\.0 MB of parameters, and no worker has the memory: "):
        cluster.plan(network(9, 1_000_000))
