"""Laws of every layer, driven by one table."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import nn
from akkordeon_dask.errors import SpecError
from akkordeon_dask.tree import leaves, paths, size
from tests.support.finite_differences import slopes, with_leaf
from tests.support.for_each import for_each
from tests.support.layer_cases import CASES, KEY

pytestmark = pytest.mark.usefixtures("memory_of_layers")
bounded = settings(
    max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def assert_same_tree(tree, other, same=assert_array_equal):
    assert form(tree) == form(other)
    for leaf, its in zip(leaves(tree), leaves(other), strict=True):
        same(leaf, its)


def form(tree):
    if isinstance(tree, dict):
        return {key: form(child) for key, child in tree.items()}
    return tuple(form(child) for child in tree) if isinstance(tree, tuple) else tree.shape


@pytest.mark.parametrize("train", [True, False])
@for_each("case", CASES)
@bounded
@given(batch=st.integers(1, 4), seed=st.integers(0, 999))
def test_gradients_are_finite_differences(case, train, batch, seed):
    params, x, dy = case.params(seed=seed), case.x(batch, seed=seed + 1), case.dy(batch, seed=seed + 2)

    def total(params, x):
        return float(np.vdot(case.forward(params, x, train=train)[0], dy))

    _, context = case.forward(params, x, train=train)
    dx, grads = case.layer.backward(context, dy)
    assert_allclose(dx, slopes(lambda x: total(params, x), x), rtol=1e-6, atol=1e-7)
    assert form(grads) == form(params)
    trained = (leaves(tree, statistics=False) for tree in (params, grads))
    for number, (leaf, grad) in enumerate(zip(*trained, strict=True)):
        expected = slopes(lambda leaf, number=number: total(with_leaf(params, number, leaf), x), leaf)
        assert_allclose(grad, expected, rtol=1e-6, atol=1e-7)


@for_each("case", CASES)
@for_each("dtype", [np.float32, np.float64])
def test_overwriting_its_input_computes_the_same_bits(case, dtype):
    params, x, dy = case.params(dtype), case.x(dtype=dtype), case.dy(dtype=dtype)
    y, context = case.forward(params, x)
    dx, grads = case.layer.backward(context, dy)
    y_own, context = case.forward(params, x.copy(), own=True)
    assert_array_equal(y_own, y)
    dx_own, grads_own = case.layer.backward(context, dy.copy(), own=True)
    assert_array_equal(dx_own, dx)
    assert_same_tree(grads_own, grads)


@for_each("case", CASES)
def test_a_context_serves_twice(case):
    params, x, dy = case.params(), case.x(), case.dy()
    assert not any(array.flags.writeable for array in (x, dy, *leaves(params))), "to write into them raises"
    y, context = case.forward(params, x)
    sent = y.copy()
    dx, grads = case.layer.backward(context, dy)
    again, grads_again = case.layer.backward(context, dy)
    assert_array_equal(dx, again)
    assert_same_tree(grads, grads_again)
    assert_array_equal(y, sent, "the backward pass wrote into an output that was sent")


@for_each("case", CASES)
@for_each("dtype", [np.float32, np.float64])
def test_shapes_and_dtypes_are_what_was_announced(case, dtype):
    params, x, dy = case.params(dtype), case.x(5, dtype), case.dy(5, dtype)
    y, context = case.forward(params, x)
    dx, grads = case.layer.backward(context, dy)
    assert y.shape == (5, *case.layer.output_shape(case.shape))
    assert case.layer.output_dtype(np.dtype(dtype)) == dtype
    assert {y.dtype, dx.dtype, *(grad.dtype for grad in leaves(grads))} == {np.dtype(dtype)}
    assert dx.shape == x.shape


@for_each("case", CASES)
def test_two_batches_in_flight_do_not_disturb_each_other(case):
    params = case.params()
    alone = []
    for seed in (10, 20):
        _, context = case.forward(params, case.x(seed=seed), key=nn.Key((seed,)))
        alone.append(case.layer.backward(context, case.dy(seed=seed)))
    contexts = [case.forward(params, case.x(seed=seed).copy(), key=nn.Key((seed,)), own=True)[1] for seed in (10, 20)]
    for number in (1, 0):
        dx, grads = case.layer.backward(contexts[number], case.dy(seed=10 * number + 10).copy(), own=True)
        assert_array_equal(dx, alone[number][0])
        assert_same_tree(grads, alone[number][1])


@for_each("case", CASES)
def test_without_dx_the_gradients_are_the_same(case):
    params, x, dy = case.params(), case.x(), case.dy()
    _, context = case.forward(params, x)
    _, grads = case.layer.backward(context, dy)
    nothing, same = case.layer.backward(context, dy, need_dx=False)
    assert nothing is None
    assert_same_tree(same, grads)


@for_each("case", CASES)
@for_each("dtype", [np.float32, np.float64])
@for_each("own", [False, True])
def test_the_two_halves_of_a_backward_pass_are_the_bits_of_the_whole(case, dtype, own):
    params, x, dy = case.params(dtype), case.x(dtype=dtype), case.dy(dtype=dtype)
    _, context = case.forward(params, x)
    dx, grads = case.layer.backward(context, dy)
    given = dy.copy() if own else dy
    half, later = case.layer.split_backward(context, given, own=own)
    assert_array_equal(half, dx)
    if own or not np.shares_memory(half, dy):
        half[...] = np.nan
    assert_same_tree(later(), grads)
    nothing, later = case.layer.split_backward(context, dy.copy() if own else dy, need_dx=False, own=own)
    assert nothing is None
    assert_same_tree(later(), grads)


@for_each("case", CASES)
def test_a_layer_that_does_not_draw_needs_no_key(case):
    key = KEY if case.layer.draws else None
    assert_array_equal(case.forward(case.params(), case.x(), key=key)[0], case.forward(case.params(), case.x())[0])


@for_each("case", CASES)
@bounded
@given(sizes=st.lists(st.integers(1, 3), min_size=1, max_size=4), seed=st.integers(0, 999))
def test_a_batch_is_its_pieces(case, sizes, seed):
    params, x, dy = case.params(), case.x(sum(sizes), seed=seed), case.dy(sum(sizes), seed=seed)
    y, context = case.forward(params, x, train=False)
    dx, grads = case.layer.backward(context, dy)
    ys, dxs, summed = [], [], [np.zeros_like(grad) for grad in leaves(grads, statistics=False)]
    ends = np.cumsum(sizes)
    for start, end in zip([0, *ends], ends, strict=False):
        piece, context = case.forward(params, x[start:end], train=False)
        its_dx, its_grads = case.layer.backward(context, dy[start:end])
        ys.append(piece)
        dxs.append(its_dx)
        summed = [total + grad for total, grad in zip(summed, leaves(its_grads, statistics=False), strict=True)]
    assert_allclose(np.concatenate(ys), y, rtol=1e-12, atol=1e-14)
    assert_allclose(np.concatenate(dxs), dx, rtol=1e-12, atol=1e-14)
    for total, grad in zip(summed, leaves(grads, statistics=False), strict=True):
        assert_allclose(total, grad, rtol=1e-11, atol=1e-13)


@for_each("case", CASES)
def test_a_batch_without_samples_passes(case):
    params = case.params()
    y, context = case.forward(params, case.x(0))
    dx, grads = case.layer.backward(context, case.dy(0))
    assert y.shape == (0, *case.layer.output_shape(case.shape)) and dx.shape == (0, *case.shape)
    for grad in leaves(grads, statistics=False):
        assert_array_equal(grad, 0)


@for_each("case", CASES)
def test_memory_order_does_not_matter(case):
    params, x, dy = case.params(), case.x(), case.dy()
    y, context = case.forward(params, x)
    dx, _ = case.layer.backward(context, dy)
    y_other, context = case.forward(params, np.asfortranarray(x))
    dx_other, _ = case.layer.backward(context, np.asfortranarray(dy))
    assert_allclose(y_other, y, rtol=1e-13)
    assert_allclose(dx_other, dx, rtol=1e-13)


@for_each("case", CASES)
def test_the_same_parameters_rebound_change_nothing_and_others_leave_the_context_as_it_was(case):
    params, x, dy = case.params(), case.x(), case.dy()
    _, context = case.forward(params, x)
    dx, grads = case.layer.backward(context, dy)
    dx_rebound, grads_rebound = case.layer.backward(case.layer.rebind(context, params), dy)
    assert_array_equal(dx_rebound, dx)
    assert_same_tree(grads_rebound, grads)
    other, _ = case.layer.backward(case.layer.rebind(context, case.params(seed=7)), dy)
    assert_array_equal(case.layer.backward(context, dy)[0], dx)
    assert np.array_equal(other, dx) is not case.layer.trainable


@for_each("case", CASES)
def test_trainable_means_that_there_are_parameters(case):
    assert case.layer.trainable is bool(leaves(case.params()))
    assert len(dict(paths(case.params()))) == len(leaves(case.params()))


@for_each("case", CASES)
def test_parameters_are_counted_as_they_are_made(case):
    assert case.layer.parameter_count == size(case.layer.init(np.random.default_rng(0)), statistics=False)


def test_a_layer_with_parameters_of_its_own_counts_those():
    class Gated(nn.Linear):
        def init(self, rng, dtype):
            return {**super().init(rng, dtype), "gate": np.ones(self.out_features, dtype)}

    assert (nn.Linear(4, 3).parameter_count, (Gated(4, 3) >> nn.ReLU()).parameter_count) == (15, 18)
    assert (nn.Linear(4, 3).known_parameter_count, (Gated(4, 3) >> nn.ReLU()).known_parameter_count) == (15, 0)


def test_a_layer_whose_init_makes_no_parameters_says_so_where_they_are_counted():
    class Broken(nn.Linear):
        def init(self, rng, dtype):
            return 3.0

    with pytest.raises(SpecError, match=r"Broken\(4, 3\): init gives arrays in a dict, not 3\.0"):
        (Broken(4, 3) >> nn.ReLU()).summary()


@for_each("case", CASES)
def test_a_layer_is_a_value(case):
    layer = case.layer
    written = eval(repr(layer), {"nn": nn})
    for same in (written, pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        assert same == layer and hash(same) == hash(layer) and repr(same) == repr(layer)
    assert layer != nn.Linear(9, 9)


@for_each("case", CASES)
def test_the_cost_of_a_sample_is_a_whole_number(case):
    cost = case.layer.multiply_adds(case.shape)
    assert isinstance(cost, int) and cost >= sum(leaf.size for leaf in leaves(case.params()) if leaf.ndim == 2)
