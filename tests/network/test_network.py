"""Checks of a network when it is written, and its properties."""

import numpy as np
import pytest
from hypothesis import given

from akkordeon_dask import Gate, Network, nn, optim
from akkordeon_dask.errors import NameConflictError, ShapeError, SpecError
from akkordeon_dask.tree import leaves
from tests.support.for_each import for_each
from tests.support.spec_strategies import networks

SGD = optim.SGD(0.1)
ORIGINAL = (
    Gate(nn.Scale(33.3, 78.6) >> nn.Linear(784, 50) >> nn.ReLU() >> nn.Dropout(0.15), SGD)
    | Gate(nn.Linear(50, 20) >> nn.ReLU(), SGD)
    | Gate(nn.Linear(20, 10), SGD)
)
IMAGES = Gate(nn.Scale(0.5, 2) >> nn.Flatten() >> nn.Linear(6, 2), SGD) | Gate(nn.Linear(2, 2), SGD)


def gate(*sizes, **options):
    return Gate(nn.Linear(*sizes), SGD, **options)


def test_gates_are_numbered_where_they_have_no_name():
    assert (gate(2, 2) | gate(2, 2, name="middle") | gate(2, 2)).names == ("g0", "middle", "g2")


@pytest.mark.parametrize("names", [("a", "b", "a"), (None, None, "g0"), ("g1", None, None)])
def test_two_gates_of_one_name_are_named_by_their_positions(names):
    with pytest.raises(NameConflictError) as caught:
        Network(gate(2, 2, name=name) for name in names)
    taken = next(name for name in names if name)
    first, second = [position for position, name in enumerate(names) if (name or f"g{position}") == taken]
    assert str(caught.value) == f"gates {first} and {second} are both named {taken!r}: rename one by name="


def test_gates_that_do_not_fit_are_both_named():
    with pytest.raises(ShapeError, match=r"^gate 'g1' takes 50 features, gate 'g0' gives 40: "):
        gate(784, 40) | gate(50, 10)


def test_the_misfit_is_found_wherever_it_is():
    with pytest.raises(ShapeError, match=r"^gate 'out' takes 7 features, gate 'g1' gives 20: "):
        gate(784, 50) | gate(50, 20) | gate(7, 10, name="out")


def test_a_misfit_inside_the_gate_behind_is_named_with_what_came_in():
    behind = Gate(nn.ReLU() >> nn.Linear(3, 2), SGD, name="behind")
    with pytest.raises(ShapeError, match=r"^gate 'behind' takes 3 features, gate 'g0' gives 4: .*nn\.Linear\(3, 2\)"):
        gate(2, 4) | behind


def test_a_slice_is_checked_like_any_network():
    with pytest.raises(ShapeError, match="gate 'g1' takes 20 features, gate 'g0' gives 50"):
        ORIGINAL[::2]
    with pytest.raises(SpecError, match="empty Network"):
        ORIGINAL[:0]


@pytest.mark.parametrize("value", [3, None, nn.Linear(2, 2), "gate"])
def test_a_value_that_is_no_gate_is_quoted(value):
    with pytest.raises(SpecError, match="holds gates, not ") as caught:
        Network([gate(2, 2), value])
    assert repr(value) in str(caught.value)
    with pytest.raises(TypeError, match=r"\|"):
        gate(2, 2) | value


def test_the_original_net_counts_its_parameters_and_its_work():
    assert ORIGINAL.parameter_count == (784 * 50 + 50) + (50 * 20 + 20) + (20 * 10 + 10) == 40_480
    assert ORIGINAL.multiply_adds() == (784 + 784 * 50 + 50 + 50, 50 * 20 + 20, 20 * 10)
    assert gate(7, 3).multiply_adds() == 21


@given(networks())
def test_the_count_is_that_of_the_numbers_there_are(network):
    by_hand = sum(
        g.chain[0].in_features * g.chain[0].out_features + g.chain[0].bias * g.chain[0].out_features for g in network
    )
    assert network.parameter_count == by_hand


@given(networks())
def test_parameters_are_a_function_of_seed_and_name(network):
    first, again, other = network.init(7), network.init(7), network.init(8)
    assert tuple(first) == network.names
    for name, spec in zip(network.names, network, strict=True):
        assert all(map(np.array_equal, leaves(first[name]), leaves(again[name])))
        assert {leaf.dtype for leaf in leaves(first[name])} == {np.dtype(spec.dtype)}
        assert not np.array_equal(first[name][0]["w"], other[name][0]["w"])
    last = network.names[-1]
    assert all(map(np.array_equal, leaves(first[last]), leaves(network.named()[-1:].init(7)[last])))


def test_shapes_are_known_where_the_layers_say_them():
    assert ORIGINAL.input_shape == (784,) and ORIGINAL.output_shape((784,)) == (10,)
    assert IMAGES.input_shape is None and IMAGES.output_shape((2, 3)) == (2,)


@for_each(
    "network, shape, dtype",
    [
        (ORIGINAL, (784,), np.uint8),
        (ORIGINAL, (784,), np.float64),
        (ORIGINAL, None, None),
        (ORIGINAL, None, np.int32),
        (IMAGES, (2, 3), np.uint8),
        (IMAGES, (6,), None),
        (ORIGINAL[1:], (50,), np.float32),
    ],
)
def test_samples_that_fit_go_in(network, shape, dtype):
    network.check_input(shape, None if dtype is None else np.dtype(dtype))


@pytest.mark.parametrize(
    ("network", "shape", "dtype", "text"),
    [
        (ORIGINAL, (28, 28), np.uint8, r"gate 'g0' .*\(28, 28\).*784 features.*nn\.Flatten\(\)"),
        (ORIGINAL, (783,), np.uint8, r"gate 'g0' cannot work on 783 features: .*takes 784 features"),
        (ORIGINAL, (), np.float32, r"takes 784 features.*; give one row .* single one x\[np.newaxis\]"),
        (IMAGES, (2, 4), np.uint8, r"gate 'g0' .*samples of shape \(2, 4\).*takes 6 features, not 8"),
        (ORIGINAL[1:], (50,), np.uint8, r"gate 'g0' .*takes floating point, not uint8: put nn\.Scale\(mean, std\)"),
        (ORIGINAL, (784,), np.complex64, r"gate 'g0' .*integers, floating point or bool, not complex64"),
    ],
)
def test_samples_that_do_not_fit_are_refused(network, shape, dtype, text):
    with pytest.raises(ShapeError, match=text):
        network.check_input(shape, np.dtype(dtype))
