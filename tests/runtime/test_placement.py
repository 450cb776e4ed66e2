"""Which gate goes where."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akkordeon_dask import Gate, Network, nn
from akkordeon_dask.errors import PlacementError
from akkordeon_dask.runtime._placement import WorkerInfo, choose, find, training_costs
from tests.runtime._small import SGD

ALICE = WorkerInfo("tcp://10.0.0.1:4001", "alice", "10.0.0.1")
BOB = WorkerInfo("tcp://10.0.0.2:4002", "bob", "10.0.0.2")
BOB2 = WorkerInfo("tcp://10.0.0.2:4003", "bob2", "10.0.0.2")
ALL = [ALICE, BOB, BOB2]


def network(*widths, **where):
    pairs = pairwise(widths)
    return Network(Gate(nn.Linear(i, o), SGD, where.get(f"g{place}")) for place, (i, o) in enumerate(pairs))


@pytest.mark.parametrize(
    ("wish", "found"),
    [("alice", [ALICE]), ("tcp://10.0.0.2:4003", [BOB2]), ("10.0.0.2", [BOB, BOB2]), ("bob2", [BOB2])],
)
def test_a_worker_goes_by_name_address_or_host(wish, found):
    assert find(wish, ALL, "gate 'g0'") == found


@pytest.mark.parametrize("workers", [ALL, ALL[:1], []])
def test_a_worker_that_is_not_there_is_named_beside_those_that_are(workers):
    with pytest.raises(PlacementError, match="gate 'g0' asks for worker 'carol', the cluster has ") as caught:
        find("carol", workers, "gate 'g0'")
    assert all(f"{worker.name} ({worker.address})" in str(caught.value) for worker in workers)
    assert ("none at all" in str(caught.value)) == (not workers)


def test_a_cluster_without_workers_is_told_of():
    with pytest.raises(PlacementError, match="no workers: start some with `dask worker SCHEDULER-ADDRESS`"):
        choose(network(2, 2), [])


def test_the_first_gate_needs_no_gradient_of_its_input():
    assert training_costs(network(784, 50, 20, 10)) == [2 * 784 * 50, 3 * 50 * 20, 3 * 20 * 10]


def test_the_heaviest_gates_go_apart():
    chosen = choose(network(2, 300, 300, 2, 300), [ALICE, BOB])
    assert chosen[1] != chosen[3]


def test_wishes_are_kept_and_the_rest_goes_where_least_is_to_be_done():
    chosen = choose(network(100, 100, 100, 100, g1="alice"), [ALICE, BOB])
    assert chosen[1] == ALICE and BOB in (chosen[0], chosen[2])


widths = st.lists(st.integers(1, 200), min_size=2, max_size=8)


@given(widths, st.lists(st.none() | st.sampled_from(["alice", "bob", "10.0.0.2"]), min_size=8, max_size=8))
def test_every_gate_goes_to_a_worker_that_it_asked_for(sizes, wishes):
    wished = network(*sizes, **{f"g{place}": wish for place, wish in enumerate(wishes) if wish})
    chosen = choose(wished, ALL)
    assert len(chosen) == len(wished)
    for gate, worker in zip(wished, chosen, strict=True):
        assert gate.workers is None or worker in find(gate.workers, ALL, "it")
    assert choose(wished, list(reversed(ALL))) == chosen


@given(widths)
def test_no_worker_has_more_than_its_share_and_one_gate(sizes):
    costs = training_costs(network(*sizes))
    chosen = choose(network(*sizes), ALL)
    for worker in ALL:
        load = sum(cost for cost, where in zip(costs, chosen, strict=True) if where == worker)
        assert load <= sum(costs) / len(ALL) + max(costs)
