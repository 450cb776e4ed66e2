"""Initial weights have the variance of the papers."""

import math

import numpy as np
import pytest

from akkordeon_dask import nn
from tests.support.for_each import for_each

SHAPE = (400, 300)
STD = {
    nn.HeNormal(): math.sqrt(2 / 400),
    nn.GlorotUniform(): math.sqrt(2 / 700),
    nn.Normal(): 0.01,
    nn.Normal(0.3): 0.3,
    nn.Zeros(): 0,
}


@for_each("initializer", STD)
@for_each("dtype", [np.float32, np.float64])
def test_weights_have_the_variance_that_was_asked_for(initializer, dtype):
    w = initializer(np.random.default_rng(0), SHAPE, dtype)
    assert w.shape == SHAPE and w.dtype == dtype
    # The deviation of a sample's deviation is std / sqrt(2 n) for a normal, less for a uniform distribution.
    assert abs(w.std() - STD[initializer]) <= 5 * STD[initializer] / math.sqrt(2 * w.size)
    assert abs(w.mean()) <= 5 * STD[initializer] / math.sqrt(w.size)


def test_glorot_is_bounded_and_fills_its_range():
    bound = math.sqrt(6 / 700)
    w = nn.GlorotUniform()(np.random.default_rng(0), SHAPE)
    assert 0.999 * bound < np.abs(w).max() <= np.float32(bound)


def test_he_keeps_the_size_of_activations_behind_rectifiers():
    chain = nn.Chain([layer for _ in range(10) for layer in (nn.Linear(300, 300), nn.ReLU())])
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 300)).astype(np.float32)
    y, _ = chain.forward(chain.init(rng), x)
    assert 0.5 < np.mean(y**2) / np.mean(x**2) < 2


@pytest.mark.parametrize("initializer", STD, ids=repr)
def test_the_same_generator_draws_the_same_weights_in_either_dtype(initializer):
    narrow, wide = (initializer(np.random.default_rng(7), SHAPE, dtype) for dtype in (np.float32, np.float64))
    assert np.array_equal(narrow, wide.astype(np.float32))
    assert eval(repr(initializer), {"nn": nn}) == initializer


def test_the_numbers_do_not_depend_on_how_many_are_drawn_at_a_time():
    large = (300, 400)  # more than are drawn at a time
    normal = np.random.default_rng(3).standard_normal(large) * 0.3
    assert np.array_equal(nn.Normal(0.3)(np.random.default_rng(3), large, np.float64), normal)
    bound = math.sqrt(6 / 700)
    uniform = np.random.default_rng(3).uniform(-bound, bound, large)
    assert np.array_equal(nn.GlorotUniform()(np.random.default_rng(3), large, np.float64), uniform)
