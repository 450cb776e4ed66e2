"""Keys: the same key draws the same numbers, another key others."""

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask import nn
from akkordeon_dask.errors import SpecError
from tests.support.for_each import for_each

bounded = settings(max_examples=50, deadline=None, derandomize=True)
numbers = st.lists(st.integers(-(2**70), 2**70), max_size=6).map(tuple)


def drawn(key):
    return key.generator().integers(0, 2**64, 4, np.uint64).tobytes()


@bounded
@given(numbers, numbers)
def test_a_key_is_its_numbers(one, other):
    assert (drawn(nn.Key(one)) == drawn(nn.Key(other))) is (one == other)


@for_each("one, other", [
    ((1,), (1, 0)), ((), (0,)), ((2**32,), (0, 1)), ((1, 2), (2, 1)), ((12,), (1, 2)), ((1,), (-1,)),
])  # fmt: skip
def test_keys_that_are_alike_draw_apart(one, other):
    assert drawn(nn.Key(one)) != drawn(nn.Key(other))


@bounded
@given(numbers, st.lists(st.integers(0, 2**40) | st.text("ag0é", max_size=3), max_size=4))
def test_folding_at_once_is_folding_one_by_one(entropy, path):
    key = one_by_one = nn.Key(entropy)
    for step in path:
        one_by_one = one_by_one.fold(step)
    assert key.fold(*path) == one_by_one
    assert drawn(pickle.loads(pickle.dumps(one_by_one))) == drawn(key.fold(*path))


def test_nodes_below_a_key_draw_differently():
    key = nn.Key((7,))
    keys = [key, *map(key.fold, (0, 1, 2, "g0", "g1", 2**32)), key.fold(0, 0), key.fold(0).fold(1), key.fold("g0", 0)]
    for one, other in itertools.combinations(keys, 2):
        assert drawn(one) != drawn(other)


def test_a_numpy_integer_is_a_number():
    assert nn.Key((3,)).fold(np.int64(5)) == nn.Key((3,)).fold(5)
    assert drawn(nn.Key((np.int64(3),))) == drawn(nn.Key((3,)))
    assert nn.Key((1,)).fold(np.int64(3), 4) == nn.Key((1,)).fold(3, 4)
    assert all(type(number) is int for number in nn.Key((1,)).fold(np.int64(3), 4).entropy)
    with pytest.raises(SpecError, match=r"whole number, not 0\.5"):
        nn.Key((3,)).fold(0.5)
