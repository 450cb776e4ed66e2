"""Laws of every layer, for a table of torch modules."""

import copy
import pickle

import cloudpickle
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import nn
from akkordeon_dask.tree import leaves
from tests.support.finite_differences import slopes, with_leaf
from tests.support.for_each import for_each
from tests.torch.modules import CASES, KEY, trained_leaves

LOOSE = {"rtol": 1e-10, "atol": 1e-12}


def assert_same_gradients(grads, others, same=assert_array_equal):
    for grad, other in zip(trained_leaves(grads), trained_leaves(others), strict=True):
        same(grad, other)


@for_each("train", [True, False])
@for_each("case", CASES)
def test_gradients_are_finite_differences(case, train):
    params, x, dy = case.params(), case.x(3), case.dy(3)

    def total(params, x):
        return float(np.vdot(case.forward(params, x, train=train)[0], dy))

    _, context = case.forward(params, x, train=train)
    dx, grads = case.layer.backward(context, dy)
    if case.words:
        assert not dx.any() and dx.shape == x.shape
    else:
        assert_allclose(dx, slopes(lambda x: total(params, x), x), rtol=1e-5, atol=1e-6)
    for number, (leaf, grad) in enumerate(zip(trained_leaves(params), trained_leaves(grads), strict=True)):
        expected = slopes(lambda leaf, number=number: total(with_leaf(params, number, leaf), x), leaf)
        assert_allclose(grad, expected, rtol=1e-5, atol=1e-6)


@for_each("case", CASES)
@for_each("dtype", [np.float32, np.float64])
def test_shapes_and_dtypes_are_what_was_announced(case, dtype):
    params, x, dy = case.params(dtype), case.x(5, dtype), case.dy(5, dtype)
    y, context = case.forward(params, x)
    dx, grads = case.layer.backward(context, dy)
    assert y.shape == (5, *case.layer.output_shape(case.shape)) and dx.shape == x.shape
    assert {y.dtype, *(grad.dtype for grad in trained_leaves(grads))} == {np.dtype(dtype)}
    assert case.words or dx.dtype == dtype
    assert [g.shape for g in trained_leaves(grads)] == [w.shape for w in trained_leaves(params)]
    assert all(grad.flags.c_contiguous for grad in leaves(grads))


@for_each("case", CASES)
def test_a_context_serves_twice_and_nothing_is_written_into(case):
    params, x, dy = case.params(), case.x(), case.dy()
    before = [leaf.copy() for leaf in leaves(params)], x.copy(), dy.copy()
    y, context = case.forward(params, x)
    sent = y.copy()
    dx, grads = case.layer.backward(context, dy)
    again, grads_again = case.layer.backward(context, dy)
    assert_array_equal(dx, again)
    assert_same_gradients(grads, grads_again)
    for now, then in zip([*leaves(params), x, dy, y], [*before[0], *before[1:], sent], strict=True):
        assert_array_equal(now, then)


@for_each("case", CASES)
def test_two_batches_in_flight_through_two_versions_do_not_disturb_each_other(case):
    versions = [case.params(seed=seed) for seed in (0, 1)]
    keys = [nn.Key((seed,)) for seed in (10, 20)]
    alone = []
    for number, params in enumerate(versions):
        _, context = case.forward(params, case.x(seed=number), key=keys[number])
        alone.append(case.layer.backward(context, case.dy()))
    contexts = [case.forward(versions[n], case.x(seed=n), key=keys[n])[1] for n in (0, 1)]
    for number in (1, 0):
        dx, grads = case.layer.backward(contexts[number], case.dy())
        assert_array_equal(dx, alone[number][0])
        assert_same_gradients(grads, alone[number][1])


@for_each("case", CASES)
def test_without_dx_and_in_two_halves_the_gradients_are_the_same(case):
    params, x, dy = case.params(), case.x(), case.dy()
    _, context = case.forward(params, x)
    dx, grads = case.layer.backward(context, dy)
    nothing, same = case.layer.backward(context, dy, need_dx=False)
    assert nothing is None
    assert_same_gradients(same, grads)
    half, later = case.layer.split_backward(context, dy)
    assert_array_equal(half, dx)
    if not np.shares_memory(half, dy):
        half[...] = 7
    assert_same_gradients(later(), grads)


@for_each("case", CASES)
@for_each("sizes", [[1, 2], [3], [1, 1, 2]])
def test_an_evaluated_batch_is_its_pieces(case, sizes):
    params, x, dy = case.params(), case.x(sum(sizes)), case.dy(sum(sizes))
    y, context = case.forward(params, x, train=False)
    dx, grads = case.layer.backward(context, dy)
    summed = [np.zeros_like(grad) for grad in trained_leaves(grads)]
    ends = np.cumsum(sizes)
    for start, end in zip([0, *ends], ends, strict=False):
        piece, context = case.forward(params, x[start:end], train=False)
        its_dx, its_grads = case.layer.backward(context, dy[start:end])
        assert_allclose(piece, y[start:end], **LOOSE)
        assert_allclose(its_dx, dx[start:end], **LOOSE)
        summed = [total + grad for total, grad in zip(summed, trained_leaves(its_grads), strict=True)]
    for total, grad in zip(summed, trained_leaves(grads), strict=True):
        assert_allclose(total, grad, **LOOSE)


@for_each("case", CASES)
def test_a_batch_without_samples_passes(case):
    params = case.params()
    y, context = case.forward(params, case.x(0))
    dx, grads = case.layer.backward(context, case.dy(0))
    assert y.shape == (0, *case.layer.output_shape(case.shape)) and dx.shape == (0, *case.shape)
    for grad in trained_leaves(grads):
        assert_array_equal(grad, 0)
    for now, then in zip(leaves(case.layer.advance(params, grads)), leaves(params), strict=True):
        assert_array_equal(now, then)


@for_each("case", CASES)
def test_memory_order_does_not_matter(case):
    params, x, dy = case.params(), case.x(), case.dy()
    y, context = case.forward(params, x)
    dx, _ = case.layer.backward(context, dy)
    y_other, context = case.forward(params, np.asfortranarray(x))
    dx_other, _ = case.layer.backward(context, np.asfortranarray(dy))
    assert_allclose(y_other, y, **LOOSE)
    assert_allclose(dx_other, dx, **LOOSE)


@for_each("case", CASES)
def test_the_same_parameters_rebound_change_nothing_and_others_leave_the_context_as_it_was(case):
    params, x, dy = case.params(), case.x(), case.dy()
    _, context = case.forward(params, x)
    dx, grads = case.layer.backward(context, dy)
    dx_rebound, grads_rebound = case.layer.backward(case.layer.rebind(context, params), dy)
    assert_array_equal(dx_rebound, dx)
    assert_same_gradients(grads_rebound, grads)
    others = case.params(seed=7)
    case.layer.backward(case.layer.rebind(context, others), dy)
    assert_array_equal(case.layer.backward(context, dy)[0], dx)
    for now, then in zip(
        leaves(case.layer.advance(params, grads)), leaves(case.layer.advance(params, grads_rebound)), strict=True
    ):
        assert_array_equal(now, then)


@for_each("case", CASES)
def test_a_layer_is_a_value(case):
    layer = case.layer
    for same in (pickle.loads(pickle.dumps(layer)), cloudpickle.loads(cloudpickle.dumps(layer)), copy.deepcopy(layer)):
        assert same == layer and hash(same) == hash(layer) and repr(same) == repr(layer)
        params = case.params()
        assert_array_equal(case.forward(params, case.x())[0], same.forward(params, case.x(), train=True, key=KEY)[0])
    assert layer != nn.Linear(9, 9)


@for_each("case", CASES)
def test_the_parameters_are_a_function_of_the_generator(case):
    one, same, other = (leaves(case.layer.init(np.random.default_rng(seed))) for seed in (3, 3, 4))
    for leaf, its in zip(one, same, strict=True):
        assert_array_equal(leaf, its)
    assert case.layer.trainable is bool(one) and len(one) == len(other)


@for_each("case", CASES)
def test_the_cost_of_a_sample_is_a_whole_number(case):
    cost = case.layer.multiply_adds(case.shape)
    assert isinstance(cost, int) and cost >= 0
