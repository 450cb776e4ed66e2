"""Running statistics are part of a gate's version: each applied batch advances them once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from akkordeon_dask import Gate, Network, Sentinel, data, nn, optim
from akkordeon_dask.messages import Address
from akkordeon_dask.runtime import _checkpoint
from akkordeon_dask.tree import from_paths, size
from tests.support.gate_harness import Bench, array, bits
from tests.support.numbered_samples import HOME
from tests.support.sequential_trainer import train_sequentially
from tests.support.simulated_cluster import SimulatedCluster

OTHER = Address("tcp://home", "sentinel-2")
NORM = nn.BatchNorm1d(5, momentum=0.75)
LAYERS = nn.Linear(4, 5) >> NORM >> nn.ReLU() >> nn.Linear(5, 3)


def bench_of(**options):
    return Bench(LAYERS, **options)


def statistics(bench):
    return bench.version.params[1]["statistics"]


def shown(params, sequence):
    """The statistics of one batch of the bench at a gate with these parameters, in float64."""
    hidden = (array(sequence, 2, 4) @ params[0]["w"] + params[0]["b"]).astype(np.float64)
    return {"mean": hidden.mean(axis=0), "var": hidden.var(axis=0, ddof=1)}


def moved(before, *batches):
    """The running statistics after what these batches showed, one after the other."""
    now = {name: before[name].astype(np.float64) for name in ("mean", "var")}
    for batch in batches:
        now = {name: 0.75 * old + 0.25 * batch[name] for name, old in now.items()}
    return now


def assert_are(seen, expected):
    for name in ("mean", "var"):
        np.testing.assert_allclose(seen[name], expected[name], rtol=1e-5, atol=1e-6)


def test_statistics_move_when_the_gate_is_updated_and_not_before():
    bench = bench_of()
    begun, expected = statistics(bench), shown(bench.version.params, 0)
    bench.forward(0)
    assert statistics(bench) is begun
    bench.backward(0)
    assert_are(statistics(bench), moved(begun, expected))


def test_batches_in_flight_count_for_the_statistics_in_the_order_of_the_updates():
    bench = bench_of()
    begun, batches = statistics(bench), {}
    for sequence in range(3):
        batches[sequence] = shown(bench.version.params, sequence)
        bench.forward(sequence)
    bench.backward(1)
    batches[3] = shown(bench.version.params, 3)
    bench.forward(3)
    for sequence in (3, 0, 2):
        bench.backward(sequence)
    assert bench.behavior.counts.delays == {0: 2, 2: 1, 3: 1}
    assert_are(statistics(bench), moved(begun, *(batches[sequence] for sequence in (1, 3, 0, 2))))


def test_a_repeated_batch_changes_no_statistics():
    bench = bench_of()
    bench.round(0)
    once = bench.version
    bench.backward(0)
    bench.round(0, attempt=2)
    assert bench.version is once
    assert bench.dropped == {"backward without its forward": 1, "second update of a batch": 1}


def test_a_batch_that_is_sent_again_counts_once_by_its_last_attempt():
    bench = bench_of()
    begun, expected = statistics(bench), shown(bench.version.params, 0)
    bench.forward(0)
    bench.forward(0, attempt=2)
    bench.backward(0)
    assert statistics(bench) is begun
    bench.backward(0, attempt=2)
    assert_are(statistics(bench), moved(begun, expected))


def test_a_batch_that_never_comes_back_does_not_count():
    bench, spared = bench_of(), bench_of()
    bench.forward(7)
    bench.now += 40.5
    bench.tick()
    for each in (bench, spared):
        each.round(8, floor=8)
    assert bench.behavior.contexts == 0
    assert bits(bench.version.params) == bits(spared.version.params)


def late_by_four(**policies):
    """A gate to which a gradient comes four updates late; what stood there before, and what its batch showed."""
    bench = bench_of(**policies)
    batch = shown(bench.version.params, 0)
    bench.forward(0)
    for sequence in range(1, 5):
        bench.round(sequence)
    before = bench.version
    bench.backward(0)
    return bench, before, batch


def test_a_gradient_that_is_dropped_for_its_delay_moves_nothing():
    bench, before, _ = late_by_four(max_delay=2)
    assert bench.version is before and bench.dropped == {"stale gradient": 1}


def test_a_gradient_that_is_damped_for_its_delay_moves_the_statistics_in_full():
    damped, before, batch = late_by_four(max_delay=2, on_stale="damp")
    in_full, *_ = late_by_four()
    assert_are(statistics(damped), moved(before.params[1]["statistics"], batch))
    assert bits(statistics(damped)) == bits(statistics(in_full))
    params = [bench.version.params[0]["w"] - before.params[0]["w"] for bench in (damped, in_full)]
    assert np.abs(params[1]).max() > 1e-3
    np.testing.assert_allclose(params[0], params[1] / 2, rtol=1e-3, atol=1e-7)


def test_the_latest_weights_do_not_change_the_statistics_of_a_batch():
    bench, before, batch = late_by_four(backward="latest")
    assert_are(statistics(bench), moved(before.params[1]["statistics"], batch))


def test_a_validation_pass_reads_its_pinned_statistics_while_training_continues():
    bench = bench_of()
    bench.round(0)
    pinned = bench.version.params
    outputs = [bench.evaluate(0, opening=True, home=OTHER)]
    for sequence in (1, 2, 3):
        bench.round(sequence)
        outputs.append(bench.evaluate(sequence, home=OTHER))
    (present,) = bench.evaluate(4, opening=True, home=HOME)
    y, _ = LAYERS.forward(pinned, array(0, 2, 4))
    assert {str(bits(sent.message.x)) for (sent,) in outputs} == {str(bits(y))}
    assert bits(present.message.x) != bits(y)
    unmoved = (pinned[0], {**pinned[1], "statistics": statistics(bench)}, *pinned[2:])
    assert bits(LAYERS.forward(unmoved, array(0, 2, 4))[0]) != bits(y)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=20))
def test_promise_6_all_training_sentinels_share_one_average_in_the_order_of_updates(steps):
    bench = bench_of()
    expected, under_way, batches = moved(statistics(bench)), [], 0
    for forward, which in steps:
        if forward:
            home = (HOME, OTHER)[which % 2]
            under_way.append((home, batches, shown(bench.version.params, batches)))
            bench.forward(batches, home=home)
            batches += 1
        elif under_way:
            home, sequence, batch = under_way.pop(which % len(under_way))
            bench.backward(sequence, home=home)
            expected = moved(expected, batch)
        assert_are(statistics(bench), expected)


def normal_network(optimizer, **policies):
    """Gates with batch and layer normalisation, at their ends and within."""
    pieces = [
        nn.Scale(128.0, 64.0) >> nn.BatchNorm1d(12) >> nn.Linear(12, 8) >> nn.BatchNorm1d(8) >> nn.ReLU(),
        nn.LayerNorm(8) >> nn.Dropout(0.2) >> nn.Linear(8, 6) >> nn.BatchNorm1d(6, momentum=0.5),
        nn.Tanh() >> nn.Linear(6, 3),
    ]
    return Network([Gate(piece, optimizer, **policies) for piece in pieces])


def images():
    rng = np.random.default_rng(5)
    return data.arrays(rng.integers(0, 256, (50, 12)).astype(np.uint8), rng.integers(0, 3, 50), seed=2)


def trained(network, *, concurrency=1, **options):
    cluster = SimulatedCluster(network, seed=11, **options)
    plan = {"batch_size": 8, "concurrency": concurrency, "scores": [], "epochs": 3, "loss": nn.SoftmaxCrossEntropy()}
    cluster.attach("alone", Sentinel.train(images(), **plan))
    cluster.run(cluster.finished)
    return {gate.name: gate.versions.present.params for gate in cluster.gates}


def all_bits(params):
    return {name: bits(tree) for name, tree in params.items()}


@pytest.mark.parametrize("options", [{}, {"help": lambda: 0.01}, {"fate": lambda message: (0.0, 0.01, 3.0)}])
@pytest.mark.parametrize("policies", [{}, {"backward": "latest"}, {"dtype": "float64"}], ids=repr)
def test_promise_1_training_equals_a_sequential_loop_bit_for_bit_statistics_included(policies, options):
    network = normal_network(optim.DCASGDa(0.05), **policies)
    plan = {"loss": nn.SoftmaxCrossEntropy(), "batch_size": 8, "epochs": 3, "seed": 11, "sentinel": "alone"}
    expected = all_bits(train_sequentially(network, images(), **plan))
    assert all_bits(trained(network, **options)) == expected
    assert all_bits(trained(network, concurrency=4)) != expected


def test_parameters_are_counted_without_statistics():
    network = normal_network(optim.SGD(0.1))
    trained_numbers = 2 * 12 + (12 * 8 + 8) + 2 * 8 + 2 * 8 + (8 * 6 + 6) + 2 * 6 + (6 * 3 + 3)
    assert network.parameter_count == trained_numbers
    assert sum(size(tree) for tree in network.init(0).values()) == trained_numbers + 2 * (12 + 8 + 6)


def test_a_checkpoint_keeps_statistics_bit_for_bit(tmp_path):
    network, path = normal_network(optim.SGD(0.1)), str(tmp_path / "kept")
    parameters = trained(network)
    _checkpoint.write(path, network, parameters)
    arrays = load_file(path)
    assert {"g0.1.statistics.mean", "g0.3.statistics.var", "g1.3.statistics.mean"} <= arrays.keys()
    found = {gate: from_paths(tree, arrays, gate) for gate, tree in network.init(0).items()}
    assert all_bits(found) == all_bits(parameters)
    assert all_bits(network.init(11)) != all_bits(parameters)
