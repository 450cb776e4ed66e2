"""Layers one after the other."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from akkordeon_dask import nn
from akkordeon_dask.errors import ShapeError, SpecError
from tests.support.for_each import for_each

a, b, c, d = nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3), nn.Dropout(0.1)
plain = st.sampled_from([nn.ReLU(), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 4), nn.Scale(0, 2), nn.LeakyReLU(0.2)])
layers = st.recursive(plain, lambda inner: st.lists(inner, min_size=1, max_size=3).map(nn.Chain), max_leaves=8)
bounded = settings(max_examples=60, deadline=None, derandomize=True)


@bounded
@given(layers, layers, layers)
def test_composing_is_associative(one, two, three):
    assert (one >> two) >> three == one >> (two >> three)
    assert ((one >> two) >> three).layers == (one >> two >> three).layers


@bounded
@given(st.lists(layers, min_size=1, max_size=5), st.data())
def test_a_slice_of_a_chain_is_a_chain(parts, data):
    chain = nn.Chain(parts)
    cut = data.draw(st.slices(len(chain)))
    assert len(chain) == len(parts) and list(chain) == parts and chain[-1] == parts[-1]
    if parts[cut]:
        assert chain[cut] == nn.Chain(parts[cut])
        return
    with pytest.raises(SpecError, match="an empty Chain"):
        chain[cut]


@bounded
@given(st.lists(layers, min_size=2, max_size=5), st.data())
def test_a_chain_is_its_halves(parts, data):
    chain = nn.Chain(parts)
    cut = data.draw(st.integers(1, len(chain) - 1))
    params = chain.init(np.random.default_rng(0), np.float64)
    x = np.random.default_rng(1).normal(size=(2, 4))
    y, context = chain.forward(params, x)
    middle, front_context = chain[:cut].forward(params[:cut], x)
    behind, back_context = chain[cut:].forward(params[cut:], middle)
    assert_array_equal(behind, y)
    dy = np.ones_like(y)
    half, back_grads = chain[cut:].backward(back_context, dy)
    dx, front_grads = chain[:cut].backward(front_context, half)
    whole_dx, grads = chain.backward(context, dy)
    assert_array_equal(dx, whole_dx)
    assert repr((*front_grads, *back_grads)) == repr(grads)


def test_composing_flattens_what_was_composed_and_a_chain_keeps_its_nesting():
    assert (a >> b) >> c == nn.Chain([a, b, c])
    nested = nn.Chain([nn.Chain([a, b]), c])
    assert nested != nn.Chain([a, b, c])
    assert len(nested) == 2 and nested[0] == nn.Chain([a, b])
    assert repr(nested) == "nn.Chain([nn.Chain([nn.Linear(4, 5), nn.ReLU()]), nn.Linear(5, 3)])"
    params = nested.init(np.random.default_rng(0))
    assert isinstance(params[0], tuple) and set(params[1]) == {"w", "b"}


@pytest.mark.parametrize("call", [
    lambda: nn.Linear(4, 3) >> nn.Linear(4, 2),
    lambda: nn.Linear(4, 3) >> nn.ReLU() >> nn.Dropout(0.5) >> nn.Linear(4, 2),
    lambda: nn.Chain([nn.Chain([nn.Linear(4, 3)]), nn.Chain([nn.ReLU(), nn.Linear(4, 2)])]),
    lambda: (nn.ReLU() >> nn.Linear(4, 2)).output_shape((3,)),
    lambda: nn.DropConnect(4, 3, 0.5) >> nn.DropConnect(4, 2, 0.5),
])  # fmt: skip
def test_shapes_that_do_not_fit_are_named_from_both_sides(call):
    with pytest.raises(ShapeError, match=r"\(4, 2.*takes 4 features, not 3"):
        call()


def test_an_image_is_sent_to_flatten():
    with pytest.raises(ShapeError, match=r"takes 784 features, not samples of shape \(28, 28\): put nn\.Flatten"):
        (nn.ReLU() >> nn.Linear(784, 2)).output_shape((28, 28))
    assert (nn.Flatten() >> nn.Linear(784, 2)).output_shape((28, 28)) == (2,)


FLOATING = [nn.ReLU(), nn.LeakyReLU(), nn.GELU(), nn.Tanh(), nn.Sigmoid(), nn.Dropout(0.5), a, nn.Flatten() >> a]


@for_each("layer", FLOATING)
def test_integers_are_sent_to_scale(layer):
    with pytest.raises(ShapeError, match=r"nn\..* takes floating point, not uint8: put nn\.Scale"):
        layer.output_dtype(np.dtype(np.uint8))
    assert (nn.Scale(0, 255) >> layer).output_dtype(np.dtype(np.uint8)) == np.float32
    assert layer.output_dtype(np.dtype(np.float64)) == np.float64


@pytest.mark.parametrize("dtype", ["U3", "c16", "O"])
def test_scale_takes_numbers(dtype):
    with pytest.raises(ShapeError, match=r"nn\.Scale\(0, 1\) takes integers, floating point or bool, not "):
        nn.Scale(0, 1).output_dtype(np.dtype(dtype))
    assert nn.Flatten().output_dtype(np.dtype(dtype)) == dtype


@for_each("layer, shape", [
    (a, (4,)), (b >> a, (4,)), (nn.Chain([b >> d, nn.Chain([d, a])]), (4,)), (b >> d, None), (nn.Flatten() >> a, None),
    (nn.Chain([nn.Chain([nn.Flatten()]), a]), None), (nn.Scale(0, 1) >> nn.DropConnect(7, 2, 0.5), (7,)),
])  # fmt: skip
def test_a_chain_asks_for_what_its_first_shaped_layer_asks_for(layer, shape):
    assert layer.input_shape == shape


def test_the_cost_of_a_chain_is_the_sum_of_its_layers():
    assert (a >> b >> c).multiply_adds((4,)) == 4 * 5 + 5 + 5 * 3
    assert (b >> a).multiply_adds(None) == (b >> a).multiply_adds((4,)) == 4 + 20
    assert (nn.Flatten() >> nn.Linear(6, 5)).multiply_adds((2, 3)) == 30
    assert nn.Chain([a >> b, c]).multiply_adds(None) == (a >> b >> c).multiply_adds(None)
    assert nn.ReLU().multiply_adds(None) == 0
    assert nn.ReLU().multiply_adds(()) == 1


def test_a_layer_is_joined_with_layers_alone():
    with pytest.raises(TypeError):
        a >> "relu"


def test_parameters_of_another_form_are_refused():
    chain = a >> b
    with pytest.raises(ShapeError, match="has 2 layers, its parameters are those of 1"):
        chain.forward(chain.init(np.random.default_rng(0))[:1], np.ones((2, 4), np.float32))


class Untouched(nn.ReLU):
    """Fails when it is asked for a backward pass."""

    def backward(self, context, dy, *, need_dx=True, own=False):
        raise AssertionError("nobody needs this gradient")


class Frontmost(nn.Linear):
    """Fails when it is asked for `dx`."""

    def backward(self, context, dy, *, need_dx=True, own=False):
        assert not need_dx, "nobody needs this gradient"
        return super().backward(context, dy, need_dx=need_dx, own=own)


@pytest.mark.parametrize("front", [Frontmost(4, 5), nn.Chain([Untouched(), Frontmost(4, 5)])], ids=repr)
def test_the_first_layer_with_parameters_makes_no_dx(front):
    chain = nn.Chain([Untouched(), nn.Chain([Untouched()]), front, b, c])
    y, context = chain.forward(chain.init(np.random.default_rng(0)), np.ones((2, 4), np.float32))
    dx, grads = chain.backward(context, np.ones_like(y), need_dx=False)
    assert dx is None and grads[:2] == ({}, ({},)) and grads[4]["w"].shape == (5, 3)


@for_each("chain, keeps_output, views", [
    (nn.Chain([b]), True, False), (a >> b, True, False), (b >> a, False, False), (b >> nn.Flatten(), True, False),
    (nn.Chain([nn.Flatten() >> d]), False, True), (nn.Chain([a, nn.Flatten() >> d]), False, False),
])  # fmt: skip
def test_a_chain_answers_for_its_last_layers_memory(chain, keeps_output, views):
    assert chain.keeps_output is keeps_output and chain.views is views


@dataclass(frozen=True, repr=False)
class Made(nn.Layer):
    """The identity, with what functions make of its output and gradient."""

    y: Callable = np.copy
    dx: Callable = np.copy

    def forward(self, params, x, *, train=False, key=None, own=False):
        return self.y(x), None

    def backward(self, context, dy, *, need_dx=True, own=False):
        return self.dx(dy) if need_dx else None, {}


def nothing(array):
    return None


def first_row(array):
    return array[:1]


def plain_list(array):
    return array.tolist()


@for_each("make, said", [(nothing, "a NoneType"), (plain_list, "a list"), (first_row, "an array of shape (1, 4)")])
def test_a_chain_gives_an_array_with_a_row_for_each_sample(make, said):
    chain = nn.Tanh() >> Made(y=make)
    with pytest.raises(ShapeError, match=re.escape(f"{chain!r} gives {said} for 2 samples")):
        chain.forward(({}, {}), np.ones((2, 4)))


@for_each("backward", ["backward", "split_backward"])
@for_each(
    "chain, said",
    [
        (Made(dx=nothing) >> nn.Tanh(), f"{Made(dx=nothing)!r} gives no dx"),
        (nn.Tanh() >> Made(dx=nothing), f"{Made(dx=nothing)!r} gives no dx"),
        (nn.Chain([nn.Residual(Made(dx=nothing))]), f"{Made(dx=nothing)!r} gives no dx"),
        (Made(dx=plain_list) >> nn.Tanh(), "gives a list as dx"),
        (Made(dx=first_row) >> nn.Tanh(), "gives an array of shape (1, 4) as dx"),
    ],
)
def test_a_layer_gives_the_gradient_that_it_is_asked_for(chain, said, backward):
    _, context = chain.forward(chain.init(np.random.default_rng(0)), np.ones((2, 4)))
    with pytest.raises(ShapeError, match=re.escape(said)):
        getattr(chain, backward)(context, np.ones((2, 4)))
    getattr(chain, backward)(context, np.ones((2, 4)), need_dx=False)


@dataclass(frozen=True, repr=False)
class Alone(Made):
    """The identity, that forgets the second value that a method returns, or adds a third one."""

    method: str = "forward"
    more: bool = False

    def forward(self, params, x, *, train=False, key=None, own=False):
        return self._made("forward", super().forward(params, x))

    def backward(self, context, dy, *, need_dx=True, own=False):
        return self._made("backward", super().backward(context, dy, need_dx=need_dx))

    def _made(self, method, pair):
        return pair if method != self.method else (*pair, None) if self.more else pair[0]


@for_each("around", [lambda layer: nn.Tanh() >> layer, lambda layer: nn.Residual(layer) >> nn.Tanh()])
@for_each("method, says", [("forward", "(y, context)"), ("backward", "(dx, grads)")])
@for_each("samples", [2, 3])
def test_a_method_of_a_layer_that_returns_no_pair_is_named_with_what_it_returns(around, method, says, samples):
    for more, said in ((False, f"an array of shape ({samples}, 4)"), (True, "a tuple of 3")):
        layer = Alone(method=method, more=more)
        chain, x = nn.Chain([around(layer)]), np.ones((samples, 4))
        words = f"{layer!r}: {method} returns {said}, not a pair, {says}"
        with pytest.raises(ShapeError, match=re.escape(words)):
            chain.backward(chain.forward(chain.init(np.random.default_rng(0)), x)[1], x)
        with pytest.raises(ShapeError, match=re.escape(words)):
            chain.split_backward(chain.forward(chain.init(np.random.default_rng(0)), x)[1], x)[1]()


@dataclass(frozen=True, repr=False)
class Holds(Made):
    """The identity, with parameters that a function makes."""

    params: Callable = dict

    def init(self, rng, dtype=np.float32):
        return self.params()


SOME = np.ones(2, np.float32)


@for_each(
    "made, said",
    [
        (1.0, "arrays in a dict, not 1.0"),
        (None, "arrays in a dict, not None"),
        ({"w": 1.0}, "arrays in a dict, not {'w': 1.0}"),
        ({"w": "word"}, "arrays in a dict, not {'w': 'word'}"),
        ({"w": np.arange(2)}, "arrays of the dtype that it is asked for, not of <i8"),
        ({"w": SOME > 0}, "arrays of the dtype that it is asked for, not of |b1"),
        ({"w": SOME + 0j}, "arrays of the dtype that it is asked for, not of <c8"),
        ({"w": SOME.astype(">f4")}, "arrays of the dtype that it is asked for, not of >f4"),
        ({"a.b": SOME, "a": {"b": SOME}}, "two parameters have one name, by a dot in it: a.b, a.b"),
    ],
)
def test_parameters_that_no_gate_can_train_are_refused_where_they_are_made(made, said):
    layer = Holds(params=lambda: made)
    with pytest.raises(SpecError, match=re.escape(f"{layer!r}: ") + ".*" + re.escape(said)):
        (layer >> nn.Tanh()).init(np.random.default_rng(0))


@for_each("made", [{}, {"w": SOME}, {"w": {"b": (SOME, SOME)}}, {"statistics": {"count": np.arange(2)}}, SOME])
def test_parameters_in_any_tree_are_taken(made):
    assert Holds(params=lambda: made) >> nn.Tanh()
    assert (Holds(params=lambda: made) >> nn.Tanh()).init(np.random.default_rng(0)) == (made, {})
