"""A backward pass in two halves: the gradient by the input first."""

import weakref
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from akkordeon_dask import nn
from tests.support.for_each import for_each

rng = np.random.default_rng(0)
X, DY = rng.normal(size=(4, 6)), rng.normal(size=(4, 3))


@dataclass(frozen=True, repr=False)
class Noting(nn.Linear):
    """Notes which of its gradients are computed."""

    def input_gradient(self, context, dy, *, own=False):
        NOTES.append(f"dx of {self.in_features}")
        return super().input_gradient(context, dy, own=own)

    def parameter_gradients(self, context, dy):
        NOTES.append(f"grads of {self.in_features}")
        return super().parameter_gradients(context, dy)


@dataclass(frozen=True, repr=False)
class Whole(nn.Linear):
    """A layer of the user's own, with one backward pass."""

    def backward(self, context, dy, *, need_dx=True, own=False):
        NOTES.append(f"all of {self.in_features}" if need_dx else f"grads of {self.in_features}")
        return super().backward(context, dy, need_dx=need_dx, own=own)


NOTES = []


@pytest.fixture(autouse=True)
def notes():
    NOTES.clear()
    return NOTES


def passed(*layers):
    """A chain, and the context of a forward pass."""
    chain = nn.Chain(layers)
    return chain, chain.forward(chain.init(np.random.default_rng(1), np.float64), X, train=True)[1]


INNER = nn.Chain([nn.ReLU(), Noting(5, 4), nn.Residual(nn.Tanh() >> Noting(4, 4))])


def test_each_dx_is_computed_before_the_first_gradient_by_parameters(notes):
    chain, context = passed(Noting(6, 5), nn.LayerNorm(5), INNER, nn.ReLU(), Noting(4, 3))
    _, later = chain.split_backward(context, DY)
    assert notes == ["dx of 4", "dx of 4", "dx of 5", "dx of 6"]
    later()
    assert sorted(notes[4:]) == ["grads of 4", "grads of 4", "grads of 5", "grads of 6"]


def test_a_layer_with_one_backward_pass_works_among_others(notes):
    chain, context = passed(Noting(6, 5), nn.Parallel([Whole(5, 4), nn.Linear(5, 4)]), Noting(4, 3))
    dx, later = chain.split_backward(context, DY)
    assert notes == ["dx of 4", "all of 5", "dx of 6"]
    grads = later()
    same, plain = passed(nn.Linear(6, 5), nn.Parallel([nn.Linear(5, 4), nn.Linear(5, 4)]), nn.Linear(4, 3))
    expected_dx, expected = same.backward(plain, DY)
    assert_array_equal(dx, expected_dx)
    assert repr(grads) == repr(expected)


@pytest.mark.parametrize("front", [Noting(6, 5), Whole(6, 5)], ids=repr)
def test_without_dx_nothing_is_computed_for_it(front, notes):
    chain, context = passed(nn.ReLU(), nn.Chain([nn.Scale(0, 2), front]), nn.ReLU(), Noting(5, 3))
    dx, later = chain.split_backward(context, DY, need_dx=False)
    later()
    assert dx is None and sorted(notes) == ["dx of 5", "grads of 5", "grads of 6"]


def test_a_subclass_that_overrides_backward_alone_may_call_the_one_of_its_base():
    class Halved(nn.Residual):
        def backward(self, context, dy, *, need_dx=True, own=False):
            dx, grads = super().backward(context, dy, need_dx=need_dx, own=own)
            return dx / 2, grads

    chain, context = passed(nn.Linear(6, 3), Halved(nn.Linear(3, 3)))
    dx, later = chain.split_backward(context, DY)
    expected_dx, expected = chain.backward(context, DY)
    assert_array_equal(dx, expected_dx)
    assert repr(later()) == repr(expected)


def test_a_batch_is_released_once_its_gradients_are_computed():
    chain, context = passed(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    hidden = weakref.ref(context.items[2].x)
    dy = DY.copy()
    held = weakref.ref(dy)
    _, later = chain.split_backward(context, dy)
    del context, dy
    assert hidden() is not None and held() is not None
    later()
    assert hidden() is None and held() is None


class OwnForward(nn.ReLU):
    def forward(self, params, x, *, train=False, key=None, own=False):
        NOTES.append(key)
        return super().forward(params, x, train=train, key=key, own=own)


class NoDraws(OwnForward):
    draws = False


class Renamed(nn.ReLU):
    """A rectifier under another name."""


@for_each("layer, draws", [
    (OwnForward(), True), (NoDraws(), False), (Renamed(), False), (nn.Dropout(0.5), True), (nn.Linear(2, 2), False),
    (nn.DropConnect(2, 2, 0.5), True), (nn.BatchNorm1d(2), False), (nn.Chain([OwnForward()]), True),
    (nn.Residual(nn.Tanh() >> nn.Dropout(0.1)), True), (nn.Linear(2, 2) >> nn.Residual(nn.ReLU()), False),
])  # fmt: skip
def test_a_layer_draws_where_its_own_forward_might(layer, draws):
    assert layer.draws is draws


def test_a_layer_of_the_users_own_gets_the_key_of_its_position(notes):
    key = nn.Key((5,))
    chain = nn.Chain([nn.ReLU(), nn.Parallel([nn.Identity(), OwnForward()]), NoDraws()])
    chain.forward(chain.init(np.random.default_rng(0)), X, train=True, key=key)
    assert notes == [key.fold(1).fold(1), None]
