"""The network and sentinels of `demo`, from its options."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from akkordeon_dask import deploy, nn
from akkordeon_dask.cli.demo._network import OPTIMIZERS, demo_network
from akkordeon_dask.cli.demo._settings import DATA_SETS, Settings
from tests.support.for_each import for_each

PLAIN = {
    "data": "mnist-sample",
    "sizes": (784, 20, 10),
    "optimizer": "dcasgda",
    "lr": (0.02, 0.01),
    "dropout": (0.0,),
    "batch_size": 300,
    "concurrency": 2,
    "sentinels": 1,
    "epochs": 2,
    "seed": 5,
    "validate_every": 1.5,
}


def settings(**changes):
    return Settings(**PLAIN | changes)


@given(st.lists(st.integers(1, 90), min_size=1, max_size=5), st.data())
def test_every_linear_layer_is_a_gate(inner, draw):
    sizes = (784, *inner, 10)
    dropout = draw.draw(st.lists(st.sampled_from([0.0, 0.25]), min_size=len(inner), max_size=len(inner)))
    network = demo_network(sizes, "sgd", [0.1] * (len(inner) + 1), dropout, 100)
    expected = []
    for index, (a, b) in enumerate(pairwise(sizes)):
        layers = [nn.Scale(33.3, 78.6)] if index == 0 else []
        layers += [nn.Linear(a, b)]
        if index < len(inner):
            layers += [nn.ReLU()]
            layers += [nn.Dropout(dropout[index])] if dropout[index] else []
        expected.append(nn.Chain(layers))
    assert [gate.chain for gate in network] == expected


@for_each("optimizer", OPTIMIZERS)
@for_each("updates", [1, 2, 1000])
def test_the_learning_rate_rises_to_its_top_and_is_gone_after_the_last_update(optimizer, updates):
    network = demo_network((784, 20, 10), optimizer, (0.5, 0.25), (0.0,), updates)
    for gate, top in zip(network, (0.5, 0.25), strict=True):
        inner = getattr(gate.optimizer, "optimizer", gate.optimizer)
        rates = [inner.lr(count) for count in range(updates)]
        assert max(rates) == top
        assert min(rates) > 0
        if updates > 2:
            assert rates[0] < top
            assert rates[-1] < top / 100


@given(st.integers(1, 50), st.integers(1, 200))
def test_the_updates_of_a_gate_are_the_batches_of_all_sentinels(sentinels, batch_size):
    plan = settings(sentinels=sentinels, batch_size=batch_size)
    rows = [sentinel.provider.rows(DATA_SETS[plan.data][1]) for sentinel in plan.training()]
    assert sum(map(len, rows)) == 10_000
    assert plan.updates == 2 * sum(len(range(0, len(share), batch_size)) for share in rows)


def test_the_gates_make_as_many_updates_as_their_schedules_expect():
    plan = settings(sentinels=2)
    with deploy(plan.network(), seed=plan.seed) as running:
        for sentinel in plan.training():
            running.attach(sentinel)
        running.wait()
        gates = [running.statistics()[gate] for gate in running.placement]
    assert [gate.counts.updates for gate in gates] == [plan.updates] * 2


def test_the_options_reach_the_sentinels():
    plan = settings(sentinels=3)
    for index, sentinel in enumerate(plan.training()):
        assert (sentinel.mode, sentinel.batch_size, sentinel.concurrency, sentinel.epochs) == ("train", 300, 2, 2)
        assert (sentinel.provider.shard, sentinel.provider.seed) == ((index, 3), 5)
    assert (plan.validation().mode, plan.validation().every) == ("validate", 1.5)
    assert plan.validation().provider == plan.test().provider
