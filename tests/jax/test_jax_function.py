"""Functions of JAX as layers: the laws of layers, and promise 1 against a loop in JAX alone."""

import pickle
from typing import NamedTuple

import cloudpickle
import jax
import numpy as np
import pytest
from jax import numpy as jnp
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import Gate, Sentinel, data, nn, optim
from akkordeon_dask.errors import ShapeError, SpecError
from akkordeon_dask.jax import JaxFunction
from akkordeon_dask.tree import leaves
from tests.support.finite_differences import slopes, with_leaf
from tests.support.for_each import for_each
from tests.support.simulated_cluster import SimulatedCluster

KEY = nn.Key((20, 26))


def make_dense(key):
    first, second = jax.random.split(key)
    return {"w": jax.random.normal(first, (4, 3)), "b": [jax.random.normal(second, (3,))]}


def dense(params, x):
    return jnp.tanh(x @ params["w"] + params["b"][0])


def dropped(params, x, key):
    y = dense(params, x)
    return y if key is None else y * jax.random.bernoulli(key, 0.5, y.shape)


def make_embedding(key):
    return jax.random.normal(key, (7, 4))


def embedded(params, x):
    return params[x]


def nothing(key):
    return {}


def doubled(params, x):
    return 2 * x


CASES = [
    (JaxFunction(make_dense, dense), (4,), 0),
    (JaxFunction(make_dense, dropped, random=True), (4,), 0),
    (JaxFunction(make_embedding, embedded), (3,), 7),
    (JaxFunction(nothing, doubled), (2, 3), 0),
]


def started(layer, shape, words, dtype=np.float32, batch=5):
    rng = np.random.default_rng(0)
    x = rng.integers(0, words, (batch, *shape)) if words else rng.normal(size=(batch, *shape)).astype(dtype)
    dy = rng.normal(size=(batch, *layer.output_shape(shape))).astype(dtype)
    return layer.init(rng, dtype), x, dy


@for_each("layer, shape, words", CASES)
@for_each("train", [True, False])
def test_gradients_are_finite_differences(layer, shape, words, train):
    params, x, dy = started(layer, shape, words, np.float64, batch=3)

    def total(params, x):
        return float(np.vdot(layer.forward(params, x, train=train, key=KEY)[0], dy))

    _, context = layer.forward(params, x, train=train, key=KEY)
    dx, grads = layer.backward(context, dy)
    if words:
        assert dx.shape == x.shape and not dx.any()
    else:
        assert_allclose(dx, slopes(lambda x: total(params, x), x), rtol=1e-5, atol=1e-6)
    for number, (leaf, grad) in enumerate(zip(leaves(params), leaves(grads), strict=True)):
        expected = slopes(lambda leaf, number=number: total(with_leaf(params, number, leaf), x), leaf)
        assert_allclose(grad, expected, rtol=1e-5, atol=1e-6)


@for_each("layer, shape, words", CASES)
@for_each("dtype", [np.float32, np.float64])
def test_shapes_and_dtypes_are_what_was_announced(layer, shape, words, dtype):
    params, x, dy = started(layer, shape, words, dtype)
    y, context = layer.forward(params, x, train=True, key=KEY)
    dx, grads = layer.backward(context, dy)
    assert y.shape == (5, *layer.output_shape(shape)) and dx.shape == x.shape
    assert [g.shape for g in leaves(grads)] == [w.shape for w in leaves(params)]
    assert {g.dtype for g in leaves(grads)} <= {np.dtype(dtype)}
    assert layer.trainable is bool(leaves(params)) and layer.waits


@for_each("layer, shape, words", CASES)
def test_a_pickled_layer_computes_the_same_bits_and_two_batches_do_not_disturb_each_other(layer, shape, words):
    params, x, dy = started(layer, shape, words)
    again = pickle.loads(pickle.dumps(layer))
    assert again == layer and repr(again) == repr(layer)
    y, context = layer.forward(params, x, train=True, key=KEY)
    layer.forward(params, x[:2], train=True, key=nn.Key((1,)))
    assert_array_equal(again.forward(params, x, train=True, key=KEY)[0], y)
    dx, grads = layer.backward(context, dy)
    for same in (context, layer.rebind(context, params)):
        dx_again, grads_again = layer.backward(same, dy)
        for one, other in zip([dx, *leaves(grads)], [dx_again, *leaves(grads_again)], strict=True):
            assert_array_equal(one, other)


def test_promise_1_one_batch_at_a_time_trains_as_a_loop_in_jax():
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(40, 4)).astype(np.float32), rng.normal(size=(40, 3)).astype(np.float32)
    layer = JaxFunction(make_dense, dense)
    cluster = SimulatedCluster(Gate(layer, optim.SGD(0.1)) | Gate(nn.Linear(3, 3), optim.SGD(1e-30)), seed=3)
    start, head = (cluster.gates[number].versions.present.params[0] for number in (0, 1))
    plan = {"batch_size": 8, "concurrency": 1, "epochs": 3, "loss": nn.MeanSquaredError(), "scores": []}
    cluster.attach("alone", Sentinel.train(data.arrays(x, target, shuffle=False), **plan))
    cluster.run(cluster.finished)

    @jax.jit
    def step(params, x, target):
        def loss(params):
            y = dense(params, x) @ head["w"] + head["b"]
            return jnp.mean((y - target) ** 2)

        return jax.tree.map(lambda w, g: w - 0.1 * g, params, jax.grad(loss)(params))

    params = start
    for begin in 3 * [*range(0, 40, 8)]:
        params = step(params, x[begin : begin + 8], target[begin : begin + 8])
    trained = cluster.gates[0].versions.present.params[0]
    for found, expected, first in zip(leaves(trained), jax.tree.leaves(params)[::-1], leaves(start), strict=True):
        assert_allclose(found, np.asarray(expected), rtol=1e-5, atol=1e-6)
        assert np.abs(found - first).max() > 1e-3


def test_masks_are_a_function_of_the_key_and_evaluation_draws_none():
    layer, shape, words = CASES[1]
    params, x, _ = started(layer, shape, words)
    one, same, other = (layer.forward(params, x, train=True, key=nn.Key((n,)))[0] for n in (1, 1, 2))
    assert_array_equal(one, same)
    assert (one == 0).any() and not np.array_equal(one, other)
    assert_array_equal(layer.forward(params, x)[0], CASES[0][0].forward(params, x)[0])
    with pytest.raises(SpecError, match="draws random numbers: to train it pass key="):
        layer.forward(params, x, train=True)


class Pair(NamedTuple):
    w: jax.Array
    b: jax.Array


@for_each(
    "initialize, apply, words",
    [
        (lambda key: Pair(jnp.ones(4), jnp.ones(4)), lambda p, x: x * p.w, r"dicts, whose keys are text.*not Pair\(w="),
        (lambda key: {"n": None}, doubled, "not None"),
        (lambda key: {"n": key}, doubled, "not ShapeDtypeStruct.*key<"),
        (lambda key: {"n": jnp.arange(3)}, doubled, "not ShapeDtypeStruct.*int32"),
        (lambda key: {0: jnp.ones(3)}, doubled, r"not \{0:"),
        (lambda key: [{"statistics": jnp.ones(4)}], doubled, "a parameter is called 'statistics'"),
        (
            lambda key: {"a.b": jnp.ones(4), "a": {"b": jnp.ones(4)}},
            doubled,
            "two parameters are called 'a.b'",
        ),
        (lambda: {"w": jnp.ones(4)}, doubled, r"initialize\(key\) fails: TypeError"),
    ],
)
def test_parameters_that_no_gate_can_keep_are_refused_where_the_network_is_written(initialize, apply, words):
    with pytest.raises(SpecError, match=words):
        Gate(nn.Linear(2, 4) >> JaxFunction(initialize, apply), optim.SGD(0.1))


def test_the_shapes_are_tried_with_parameters_as_a_gate_has_them():
    layer = JaxFunction(lambda key: [jnp.ones(4)], lambda p, x: x * p.copy()[0])
    with pytest.raises(ShapeError, match="'tuple' object has no attribute 'copy'"):
        nn.Linear(2, 4) >> layer


def test_whole_numbers_beyond_those_of_jax_are_refused():
    layer = JaxFunction(nothing, lambda params, x: x % 7)
    assert_array_equal(layer.forward({}, np.array([[2**31 - 1, -1]]))[0], [[1, 6]])
    with pytest.raises(ShapeError, match=r"takes whole numbers as int32.*samples of int64 reach from 1 to 2147483648"):
        layer.forward({}, np.array([[2**31, 1]]))


def test_the_shapes_are_tried_in_evaluation_too():
    def noisy(params, x, key):
        return x + jax.random.normal(key, x.shape)

    with pytest.raises(ShapeError, match=r"NoneType.*in evaluation its key is None"):
        nn.Linear(2, 4) >> JaxFunction(nothing, noisy, random=True)


@for_each(
    "apply, words",
    [
        (lambda p, x: x.argmax(1), "gives int32: gates pass floating point on"),
        (lambda p, x: x > 0, "gives bool"),
        (lambda p, x: jnp.fft.fft(x), "gives complex64"),
    ],
)
def test_an_output_through_which_no_gradient_comes_back_is_refused(apply, words):
    layer = JaxFunction(nothing, apply)
    with pytest.raises(ShapeError, match=words):
        layer.output_shape((4,))
    with pytest.raises(ShapeError, match=words):
        layer.forward({}, np.ones((2, 4), np.float32))
    whole = JaxFunction(nothing, lambda p, x: x % 3)
    assert_array_equal(whole.forward({}, np.array([[4, 5]]))[0], [[1, 2]])


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: JaxFunction(3, dense), SpecError, r"takes functions initialize\(key\) and apply\(params, x\), not 3"),
        (lambda: CASES[0][0].output_shape((5,)), ShapeError, r"cannot take samples of shape \(5,\)"),
        (
            lambda: JaxFunction(nothing, lambda p, x: (x, x)).output_shape((2,)),
            ShapeError,
            "gives a tuple for 3",
        ),
        (lambda: JaxFunction(nothing, lambda p, x: x[0]).output_shape((2,)), ShapeError, r"gives shape \(2,\) for 3"),
        (
            lambda: JaxFunction(lambda key: {"n": jnp.arange(3)}, doubled).init(np.random.default_rng(0)),
            SpecError,
            "arrays of floating point in dicts.* and tuples, not",
        ),
    ],
    ids=["number", "shape", "tuple", "first row", "whole numbers"],
)
def test_what_is_no_layer_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_functions_that_jit_made_travel_from_a_script():
    def initialize(key):
        return make_dense(key)

    def apply(params, x):
        return dense(params, x)

    initialize, apply = jax.jit(initialize), jax.jit(apply)
    layer, plain = JaxFunction(initialize, apply), JaxFunction(make_dense, dense)
    travelled = pickle.loads(cloudpickle.dumps(layer))
    params, x, dy = started(plain, (4,), 0)
    for its in (layer, travelled):
        assert its.output_shape((4,)) == (3,)
        jax.tree.map(assert_array_equal, its.init(np.random.default_rng(0)), plain.init(np.random.default_rng(0)))
        y, context = its.forward(params, x, train=True)
        expected, theirs = plain.forward(params, x, train=True)
        assert_array_equal(y, expected)
        jax.tree.map(assert_allclose, its.backward(context, dy), plain.backward(theirs, dy))


@for_each("kind", ["rbg", "unsafe_rbg", "threefry2x32"])
def test_keys_are_the_same_whichever_generator_is_the_default_of_a_process(kind):
    layer = JaxFunction(make_dense, dropped, random=True)
    params, x = layer.init(np.random.default_rng(0)), np.ones((5, 4), np.float32)
    y, _ = layer.forward(params, x, train=True, key=KEY)
    with jax.default_prng_impl(kind):
        same = JaxFunction(make_dense, dropped, random=True)
        assert same.output_shape((4,)) == (3,)
        for one, other in zip(leaves(same.init(np.random.default_rng(0))), leaves(params), strict=True):
            assert_array_equal(one, other)
        assert_array_equal(same.forward(params, x, train=True, key=KEY)[0], y)
