"""Laws of the placement of gates, and its reasons and errors."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akkordeon_dask import Gate, Network, beside, nn, optim
from akkordeon_dask.errors import PlacementError, SpecError
from akkordeon_dask.placement import choose, find_workers
from akkordeon_dask.placement._groups import training_costs
from tests.support.placement_cases import SGD, asking_networks, clusters, network, placements, worker

ALICE, BOB, BOB2 = worker("alice"), worker("bob", "10.0.0.2"), worker("bob2", "10.0.0.2")
ALL = [ALICE, BOB, BOB2]


def on(plan, workers=ALL):
    """The chosen workers, front to back."""
    return [{one.address: one for one in workers}[placed.address] for placed in plan]


def reasons(plan):
    return [placed.reason for placed in plan]


@pytest.mark.parametrize(
    ("requested", "found"),
    [("alice", [ALICE]), (BOB2.address, [BOB2]), ("10.0.0.2", [BOB, BOB2]), ("bob2", [BOB2])],
)
def test_a_worker_goes_by_name_address_or_host(requested, found):
    assert find_workers(requested, ALL, "gate 'g0'") == found


@pytest.mark.parametrize("workers", [ALL, ALL[:1], []])
def test_a_worker_that_is_not_there_is_named_beside_those_that_are(workers):
    with pytest.raises(PlacementError, match="gate 'g0' asks for worker 'carol', the cluster has ") as caught:
        find_workers("carol", workers, "gate 'g0'")
    assert all(f"{one.name} ({one.address})" in str(caught.value) for one in workers)
    assert ("none at all" in str(caught.value)) == (not workers)


def test_a_cluster_without_workers_is_an_error():
    with pytest.raises(PlacementError, match="no workers: start some with `dask worker SCHEDULER-ADDRESS`"):
        choose(network(2, 2), [])


def test_the_first_gate_needs_no_gradient_of_its_input():
    assert training_costs(network(784, 50, 20, 10)) == [2 * 784 * 50, 3 * 50 * 20, 3 * 20 * 10]


def test_the_heaviest_gates_go_apart():
    chosen = on(choose(network(2, 300, 300, 2, 300), [ALICE, BOB]))
    assert chosen[1] != chosen[3]


def test_requested_workers_are_kept_and_other_gates_go_to_the_least_loaded():
    chosen = on(choose(network(100, 100, 100, 100, g1="alice"), [ALICE, BOB]))
    assert chosen[1] == ALICE and BOB in (chosen[0], chosen[2])


@given(st.lists(st.integers(1, 200), min_size=2, max_size=8))
def test_no_worker_has_more_than_its_share_and_one_gate(sizes):
    costs = training_costs(network(*sizes))
    chosen = on(choose(network(*sizes), ALL))
    for one in ALL:
        load = sum(cost for cost, where in zip(costs, chosen, strict=True) if where == one)
        assert load <= sum(costs) / len(ALL) + max(costs)


@given(st.data())
def test_a_placement_is_found_when_there_is_one_and_every_gate_is_where_it_may_be(data):
    workers = data.draw(clusters())
    asking = data.draw(asking_networks(workers))
    possible = placements(asking, workers)
    if possible:
        assert tuple(on(choose(asking, workers), workers)) in possible
    else:
        with pytest.raises(PlacementError, match="there is no room: "):
            choose(asking, workers)


@given(st.data())
def test_the_order_of_workers_does_not_matter(data):
    workers = data.draw(clusters())
    asking, shuffled = data.draw(asking_networks(workers)), data.draw(st.permutations(workers))
    assert outcome(asking, workers) == outcome(asking, shuffled)


def outcome(asking, workers):
    try:
        return choose(asking, workers)
    except PlacementError as error:
        return str(error)


@given(st.data())
def test_a_plan_is_a_value_with_every_gate_once(data):
    workers = data.draw(clusters())
    plan = choose(network(*data.draw(st.lists(st.integers(1, 9), min_size=2, max_size=5))), workers)
    assert pickle.loads(pickle.dumps(plan)) == plan and hash(plan) == hash(pickle.loads(pickle.dumps(plan)))
    assert [placed.gate for placed in plan] == [f"g{position}" for position in range(len(plan))]
    assert sum(placed.share for placed in plan) == pytest.approx(1)
    assert all(plan[placed.gate] == placed and placed.reason for placed in plan)


def test_parameters_go_where_they_find_memory():
    small, large = worker("small", memory_limit=1000), worker("large", memory_limit=90_000)
    assert on(choose(network(100, 100, 2), [small, large]), [small, large]) == [large, small]
    assert on(choose(network(100, 100, 100), [small, large]), [small, large]) == [large, large]
    endless = worker("endless")
    assert on(choose(network(100, 100, 100, g1="endless"), [small, endless]), [small, endless]) == [endless, endless]


def test_without_memory_the_error_names_limits_and_what_other_gates_take():
    workers = [worker("alice", memory_limit=50_000_000), worker("bob", memory_limit=1_000_000)]
    with pytest.raises(PlacementError) as caught:
        choose(network(3000, 3000, 3000), workers)
    assert str(caught.value) == (
        "gate 'g0' has 36.0 MB of parameters, and no worker has the memory: alice (tcp://10.0.0.1/alice) has a limit "
        "of 50.0 MB, of which parameters of other gates take 36.0 MB; bob (tcp://10.0.0.1/bob) has a limit of 1.0 MB: "
        "start `dask worker ADDRESS --memory-limit BYTES` with several times as much, or divide the layers among more "
        "gates"
    )
    with pytest.raises(
        PlacementError, match=r"gate 'g1' has 36\.0 MB of parameters, and no worker has the memory: bob"
    ):
        choose(network(3000, 3000, 3000, g1="bob", asks=[{}, {"GPU": 1}]), workers)


def test_a_worker_with_the_resources_but_no_memory_says_so():
    workers = [worker("alice", memory_limit=50_000_000), worker("bob", memory_limit=1_000_000, GPU=1)]
    with pytest.raises(PlacementError, match=r"has GPU 1.*, and a memory limit of 1\.0 MB for the parameters: start"):
        choose(network(3000, 3000, asks=[{"GPU": 1}]), workers)


def test_parameters_of_a_users_layer_are_not_made_to_place_it():
    made = []

    class There(nn.Linear):
        def init(self, rng, dtype):
            made.append(self)
            return super().init(rng, dtype)

    chain = There(100, 100) >> nn.Residual(There(100, 100) >> nn.ReLU()) >> nn.Linear(100, 2)
    small = worker("alice", memory_limit=3000)
    assert on(choose(Network([Gate(chain, SGD)]), [small]), [small]) == [small]
    assert made == [] and chain.known_parameter_count == 202


def test_gates_with_the_largest_asks_do_not_find_their_workers_crowded():
    small, large = worker("small", GPU=1), worker("large", GPU=2)
    asking = network(9, 9, 9, asks=[{"GPU": 1}, {"GPU": 2}])
    assert on(choose(asking, [small, large]), [small, large]) == [small, large]


def test_an_earlier_group_moves_on_for_one_with_a_single_worker():
    both, one = worker("both", GPU=1, MEM=4), worker("one", GPU=1)
    asking = network(90, 90, 2, asks=[{"GPU": 1}, {"MEM": 1, "GPU": 1}])
    assert on(choose(asking, [both, one]), [both, one]) == [one, both]


def test_tenths_add_up():
    (one,) = workers = [worker("one", GPU=0.3)]
    assert on(choose(network(1, 1, 1, 1, asks=[{"GPU": 0.1}] * 3), workers), workers) == [one] * 3


def test_without_room_the_error_names_the_holders_of_resources():
    workers = [worker("alice", GPU=2, claims=[{"GPU": 1}, {"MEM": 9}]), worker("bob", GPU=1), worker("carol", MEM=5)]
    with pytest.raises(PlacementError) as caught:
        choose(network(9, 9, 9, 9, asks=[{"GPU": 1}] * 3, g1="bob"), workers)
    assert str(caught.value) == (
        "gate 'g0' asks for GPU 1, there is no room: "
        "alice (tcp://10.0.0.1/alice) has GPU 2, of which gate 'o0' of network 'other' has 1, gate 'g2' of this "
        "network has 1; bob (tcp://10.0.0.1/bob) has GPU 1, of which gate 'g1' of this network has 1; "
        "carol (tcp://10.0.0.1/carol) has no GPU: "
        'start `dask worker ADDRESS --resources "GPU=1"`, ask for less, or close another network'
    )


def test_without_room_the_error_names_the_request_and_the_gates_beside_it():
    asking = network(9, 9, 9, asks=[{"GPU": 1}, {"GPU": 1}], g0="alice", g1=beside("g0"))
    with pytest.raises(PlacementError, match="gate 'g0' with 'g1' beside it asks for worker 'alice' and GPU 2, there"):
        choose(asking, [worker("alice", GPU=1), worker("bob", GPU=2)])


def test_gates_that_can_never_have_room_are_refused_soon():
    workers = [worker(f"w{number}", GPU=1) for number in range(12)]
    with pytest.raises(PlacementError, match="no room"):
        choose(network(*[2] * 14, asks=[{"GPU": 1}] * 13), workers)


def test_a_worker_that_did_not_say_what_is_taken_gets_no_gate_that_takes_something():
    silent = worker("silent", GPU=2)
    silent = type(silent)(silent.address, silent.name, silent.host, silent.resources, None)
    with pytest.raises(PlacementError, match=r"silent \(.*\) has GPU 2, but did not say what is taken of it"):
        choose(network(2, 2, asks=[{"GPU": 1}]), [silent])
    assert on(choose(network(2, 2), [silent]), [silent]) == [silent]


def test_every_gate_has_its_reason():
    workers = [worker("alice", GPU=2, claims=[{"GPU": 1}]), worker("bob")]
    asking = network(100, 10, 10, 100, 9, asks=[{}, {"GPU": 1}], g0="bob", g2=beside("g1"))
    assert reasons(choose(asking, workers)) == [
        "asks for 'bob'",
        "has GPU 1 of 2 free",
        "beside gate 'g1'",
        "least loaded: 25 % of the cost",
    ]


def test_among_equals_it_goes_to_its_neighbour_and_a_worker_alone_has_no_equals():
    equal = network(9, 9, 9, 9, g1="bob", g2="alice")
    assert reasons(choose(equal, [ALICE, BOB]))[0] == "next to its neighbour g1"
    assert reasons(choose(network(9, 9, 9), [ALICE])) == ["the only worker"] * 2


def test_a_reason_names_the_requested_worker_and_resources():
    asking = network(9, 9, asks=[{"MEM": 1.5, "GPU": 1}], g0="alice")
    (reason,) = reasons(choose(asking, [worker("alice", GPU=2, MEM=2), BOB]))
    assert reason == "asks for 'alice', has GPU 2 of 2, MEM 2 of 2 free"


def test_a_plan_prints_as_a_table():
    plan = choose(network(784, 50, 10, g0="alice", g1=beside("g0")), ALL)
    assert (
        repr(plan)
        == str(plan)
        == (
            "gate  worker  address               cost  reason\n"
            "g0    alice   tcp://10.0.0.1/alice  98 %  asks for 'alice'\n"
            "g1    alice   tcp://10.0.0.1/alice   2 %  beside gate 'g0'"
        )
    )


def test_a_gate_that_nobody_is_beside_of_is_named_with_those_there_are():
    with pytest.raises(SpecError, match="gate 'g1' shall be beside gate 'g7', the network has g0, g1, g2: write"):
        choose(network(2, 2, 2, 2, g1=beside("g7")), ALL)


def test_a_circle_of_default_names_is_an_error_when_it_is_placed():
    with pytest.raises(SpecError, match="'g0' beside 'g2' beside 'g0': give one of them another"):
        choose(network(2, 2, 2, 2, g0=beside("g2"), g2=beside("g0"), g1=beside("g0")), ALL)


def test_a_circle_of_named_gates_is_an_error_when_it_is_written():
    a, b = (Gate(nn.ReLU(), optim.SGD(0.1), beside(other), name) for name, other in ("ab", "ba"))
    with pytest.raises(SpecError, match="'a' beside 'b' beside 'a'"):
        a | b
    with pytest.raises(SpecError, match="'a' beside 'a'"):
        Gate(nn.ReLU(), optim.SGD(0.1), beside("a"), "a") | Gate(nn.ReLU(), optim.SGD(0.1))


def test_the_bar_joins_gates_beside_others_in_any_order():
    a, b, c = (Gate(nn.ReLU(), optim.SGD(0.1), worker) for worker in (beside("g2"), beside("g0"), None))
    assert (a | b) | c == a | (b | c)
    assert len({placed.address for placed in choose(a | b | c, ALL)}) == 1
