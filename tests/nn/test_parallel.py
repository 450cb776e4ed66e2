"""Branches that are added or concatenated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import nn
from akkordeon_dask.errors import ShapeError
from akkordeon_dask.tree import STATISTICS, map_leaves
from tests.support.for_each import for_each
from tests.support.observer_layer import Observer

bounded = settings(max_examples=40, deadline=None, derandomize=True)
KEY = nn.Key((3,))
HALF = nn.Dropout(0.5)
ONES = np.ones((50, 40))
sizes = st.lists(st.integers(1, 5), min_size=1, max_size=4)


def params_of(layer, seed=0):
    rng = np.random.default_rng(seed)
    return map_leaves(lambda leaf: rng.normal(size=leaf.shape), layer.init(rng, np.float64))


@bounded
@given(batch=st.integers(0, 5), features=st.integers(1, 6), count=st.integers(1, 4), seed=st.integers(0, 999))
def test_branches_are_added(batch, features, count, seed):
    rng = np.random.default_rng(seed)
    parallel = nn.Parallel([nn.Linear(features, 3)] * count)
    params = params_of(parallel, seed)
    x, dy = rng.normal(size=(batch, features)), rng.normal(size=(batch, 3))
    y, context = parallel.forward(params, x)
    assert_allclose(y, sum(x @ its["w"] + its["b"] for its in params), atol=1e-12)
    dx, grads = parallel.backward(context, dy)
    assert_allclose(dx, sum(dy @ its["w"].T for its in params), atol=1e-12)
    for its in grads:
        assert_allclose(its["w"], x.T @ dy, atol=1e-12)
        assert_allclose(its["b"], dy.sum(axis=0), atol=1e-12)


@bounded
@given(batch=st.integers(0, 5), features=st.integers(1, 6), sizes=sizes, seed=st.integers(0, 999))
def test_branches_stand_side_by_side(batch, features, sizes, seed):
    rng = np.random.default_rng(seed)
    parallel = nn.Parallel([nn.Linear(features, size) for size in sizes], join="concatenate")
    params = params_of(parallel, seed)
    assert parallel.output_shape(None) == parallel.output_shape((features,)) == (sum(sizes),)
    x, dy = rng.normal(size=(batch, features)), rng.normal(size=(batch, sum(sizes)))
    y, context = parallel.forward(params, x)
    w, b = np.concatenate([its["w"] for its in params], axis=1), np.concatenate([its["b"] for its in params])
    assert_allclose(y, x @ w + b, atol=1e-12)
    dx, grads = parallel.backward(context, dy)
    assert_allclose(dx, dy @ w.T, atol=1e-12)
    assert_allclose(np.concatenate([its["w"] for its in grads], axis=1), x.T @ dy, atol=1e-12)


@bounded
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=4), count=st.integers(1, 4), data=st.data())
def test_any_axis_of_a_sample_can_be_joined(shape, count, data):
    axis = data.draw(st.integers(0, len(shape) - 1))
    parallel = nn.Parallel([nn.Scale(index, 2) for index in range(count)], join="concatenate", axis=axis)
    x = np.random.default_rng(0).normal(size=(3, *shape))
    y, context = parallel.forward(({},) * count, x)
    assert_array_equal(y, np.concatenate([(x - index) / 2 for index in range(count)], axis + 1))
    assert y.shape[1:] == parallel.output_shape(tuple(shape))
    dx, _ = parallel.backward(context, y)
    assert_allclose(dx, sum((x - index) / 4 for index in range(count)), rtol=1e-12, atol=1e-14)


def test_images_join_along_their_channels():
    parallel = nn.Parallel([nn.Conv2d(2, 3, 1), nn.Conv2d(2, 4, 3, padding=1), nn.ReLU()], join="concatenate")
    assert parallel.output_shape((2, 5, 6)) == (9, 5, 6)
    params, x = params_of(parallel), np.random.default_rng(1).normal(size=(3, 2, 5, 6))
    y, context = parallel.forward(params, x)
    w, b = params[0]["w"][:, :, 0, 0], params[0]["b"]
    assert_allclose(y[:, :3], np.einsum("oc,ncij->noij", w, x) + b[:, np.newaxis, np.newaxis], atol=1e-12)
    assert_array_equal(y[:, 7:], np.maximum(x, 0))
    assert parallel.backward(context, y)[0].shape == x.shape


@pytest.mark.parametrize("join", ["sum", "concatenate"])
def test_each_branch_draws_apart(join):
    parallel = nn.Parallel([HALF] * 3, join)
    y, context = parallel.forward(({},) * 3, ONES, train=True, key=KEY)
    each = [HALF.forward({}, ONES, train=True, key=KEY.fold(index))[0] for index in range(3)]
    assert len({one.tobytes() for one in each}) == 3
    assert_array_equal(y, sum(each) if join == "sum" else np.concatenate(each, axis=1))
    assert_array_equal(parallel.backward(context, np.ones_like(y))[0], sum(each))


@pytest.mark.parametrize("join", ["sum", "concatenate"])
@pytest.mark.parametrize("branches", [[nn.Flatten()], [nn.Flatten(), HALF]])
def test_the_output_is_no_view_of_the_input(join, branches):
    parallel = nn.Parallel(branches, join)
    assert not parallel.views and not parallel.keeps_output
    y, context = parallel.forward(({},) * len(branches), ONES)
    dx, _ = parallel.backward(context, y)
    assert not np.shares_memory(y, ONES) and not np.shares_memory(dx, y)


class Untouched(nn.ReLU):
    """Fails when it is asked for a gradient."""

    def backward(self, context, dy, *, need_dx=True, own=False):
        assert not need_dx, "nobody needs this gradient"
        return super().backward(context, dy, need_dx=need_dx, own=own)


def test_no_branch_of_the_first_layer_makes_a_dx():
    chain = nn.Parallel([nn.Chain([Untouched(), nn.Linear(4, 4)]), Untouched()]) >> nn.Linear(4, 2)
    y, context = chain.forward(params_of(chain), np.ones((2, 4)))
    dx, (grads, _) = chain.backward(context, y, need_dx=False)
    assert dx is None
    assert grads[1] == grads[0][0] == {} and grads[0][1]["w"].shape == (4, 4)


def test_a_rebound_context_goes_backward_through_other_parameters():
    rng = np.random.default_rng(0)
    parallel = nn.Parallel([nn.Linear(4, 3), nn.Linear(4, 2)], join="concatenate")
    params, others = params_of(parallel, seed=1), params_of(parallel, seed=2)
    x, dy = rng.normal(size=(5, 4)), rng.normal(size=(5, 5))
    _, context = parallel.forward(params, x)
    dx, _ = parallel.backward(parallel.rebind(context, others), dy)
    assert_allclose(dx, dy[:, :3] @ others[0]["w"].T + dy[:, 3:] @ others[1]["w"].T)


def test_statistics_of_branches_are_passed_on():
    parallel = nn.Parallel([nn.Tanh(), Observer(), nn.Scale(0, 2) >> Observer()])
    assert parallel.observes and not nn.Parallel([nn.Tanh(), nn.Linear(4, 4)]).observes
    params = parallel.init(np.random.default_rng(0), np.float64)
    y, context = parallel.forward(params, np.full((2, 4), 3.0), train=True)
    new = parallel.advance(params, parallel.backward(context, y)[1])
    assert new[0] == {} and new[1][STATISTICS]["most"] == 3 and new[2][1][STATISTICS]["most"] == 1.5
    assert params[1][STATISTICS]["most"] == 0


def test_bytes_stand_side_by_side_as_bytes_and_go_through_a_network():
    x = np.random.default_rng(0).integers(0, 256, (5, 2, 3)).astype(np.uint8)
    front = nn.Parallel([nn.Flatten(), nn.Reshape((6,))], join="concatenate")
    network = front >> nn.Scale(100, 50) >> nn.Linear(12, 2)
    params = network.init(np.random.default_rng(0))
    assert front.output_dtype(x.dtype) == front.forward(params[0], x)[0].dtype == np.uint8
    y, context = network.forward(params, x)
    twice = np.concatenate([x.reshape(5, 6)] * 2, axis=1)
    assert_allclose(y, (twice.astype(np.float64) - 100) / 50 @ params[2]["w"], rtol=1e-4, atol=1e-5)
    dx, grads = network.backward(context, y, need_dx=False)
    assert dx is None and grads[0] == ({}, {}) and grads[2]["w"].shape == (12, 2)


def test_a_sum_of_unlike_dtypes_is_the_wider_one():
    parallel = nn.Parallel([nn.Linear(3, 3), nn.Scale(0, 1)])
    params, x = parallel.init(np.random.default_rng(0), np.float32), np.random.default_rng(1).normal(size=(4, 3))
    y, context = parallel.forward(params, x)
    assert y.dtype == parallel.backward(context, y)[0].dtype == parallel.output_dtype(x.dtype) == np.float64
    assert_array_equal(y, parallel.branches[0].forward(params[0], x)[0] + x)


def test_side_by_side_unlike_dtypes_are_the_wider_one():
    parallel = nn.Parallel([nn.Embedding(9, 4) >> nn.Flatten(), nn.Scale(0, 1)], join="concatenate")
    x = np.arange(6, dtype=np.uint8).reshape(2, 3)
    y, context = parallel.forward(parallel.init(np.random.default_rng(0), np.float64), x)
    assert y.shape == (2, 15) and y.dtype == np.float64
    assert_array_equal(y[:, 12:], x)
    assert_array_equal(parallel.backward(context, y)[0], x)
    with pytest.raises(ShapeError, match=r"nn\.Parallel\(.*\) adds floating point, not uint8: put nn\.Scale"):
        nn.Parallel([nn.Flatten(), nn.Flatten()]).output_dtype(x.dtype)


@for_each("layer, asks, keeps, gives", [
    (nn.Parallel([nn.ReLU(), nn.Linear(4, 4)]), (4,), True, (4,)),
    (nn.Parallel([nn.ReLU(), nn.Linear(4, 3)], "concatenate"), (4,), False, (7,)),
    (nn.Parallel([nn.ReLU(), HALF]), None, True, None),
    (nn.Parallel([nn.Reshape((2, 3)), nn.ReLU()], "concatenate"), None, False, None),
    (nn.Parallel([nn.Reshape((2, 3)), nn.Reshape((2, 4))], "concatenate", axis=1), None, False, (2, 7)),
    (nn.ReLU() >> nn.Parallel([nn.ReLU(), HALF]) >> nn.Linear(4, 2), (4,), False, (2,)),
])  # fmt: skip
def test_shapes_are_known_as_far_as_one_branch_knows_them(layer, asks, keeps, gives):
    assert layer.input_shape == asks and layer.keeps_shape is keeps and layer.output_shape(None) == gives


def test_the_cost_is_that_of_the_branches():
    parallel = nn.Parallel([nn.Linear(4, 3), nn.ReLU() >> nn.Linear(4, 3)])
    assert parallel.multiply_adds(None) == parallel.multiply_adds((4,)) == 12 + 4 + 12


@for_each("call, said", [
    (lambda: nn.Parallel([nn.Linear(4, 3), nn.Linear(4, 2)]), r"0 gives \(3,\), branch 1 gives \(2,\), .* added"),
    (lambda: nn.Parallel([nn.ReLU(), nn.Linear(4, 2)]), r"branch 0 gives \(4,\), branch 1 gives \(2,\)"),
    (lambda: nn.Parallel([nn.Flatten(), nn.ReLU(), nn.Reshape((2,)), nn.Reshape((3,))]), r"branch 2 .* branch 3 gives"),
    (lambda: nn.Parallel([nn.Linear(4, 3), nn.Linear(5, 3)]), r"goes into nn\.Linear\(4, 3\) .* 5 features, not 4"),
    (lambda: nn.Parallel([nn.ReLU(), nn.Linear(4, 4)]).output_shape((5,)), r"nn\.Linear\(4, 4\) takes 4 .*, not 5"),
    (lambda: nn.Parallel([nn.Reshape((2, 3)), nn.Reshape((2, 4))], "concatenate"),
     r"branch 0 gives \(2, 3\), branch 1 gives \(2, 4\), which cannot be concatenated along axis 0$"),
    (lambda: nn.Parallel([nn.Linear(4, 3)], "concatenate", 1), r"branch 0 .* shape \(3,\), which have no axis 1$"),
    (lambda: nn.Parallel([nn.ReLU()], "concatenate").forward(({},), np.ones(3)), r"shape \(\), which have no axis 0$"),
    (lambda: nn.Parallel([nn.ReLU(), nn.Flatten()]).forward(({}, {}), np.ones((2, 1, 1))), r"gives \(1, 1\), branch 1"),
    (lambda: nn.Parallel([nn.ReLU()]).forward((), ONES), "has 1 branches, its parameters are those of 0"),
])  # fmt: skip
def test_branches_that_do_not_fit_are_named(call, said):
    with pytest.raises(ShapeError, match=said):
        call()
