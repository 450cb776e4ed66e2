"""Standardisation: the mean goes before any digit does."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import nn
from akkordeon_dask.nn import _scale
from tests.support.for_each import for_each

DATES = [20211231, 20220101, 20220102]
INTEGERS = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")


def scaled(scale, x):
    return scale.forward({}, x)[0]


@for_each("dtype", ["i4", "u4", "i8", "u8", "f8", ">i8", ">f8"])
def test_dates_keep_their_days(dtype):
    assert scaled(nn.Scale(20220000, 1), np.array([DATES], dtype)).tolist() == [[-8769, 101, 102]]


@for_each(
    "mean, x, expected",
    [
        (2**60 + 1, np.array([2**60, 2**60 + 1, 2**60 + 3]), [-1, 0, 2]),
        (2**63 + 1, np.array([2**63, 2**63 + 3, 2**64 - 1], "u8"), [-1, 2, 2**63 - 2]),
        (-(2**63), np.array([-(2**63), 0, 2**63 - 1]), [0, 2**63, 2**64 - 1]),
        (2**62, np.array([-(2**63), 2**62 + 7]), [-(2**63) - 2**62, 7]),
        (2**70, np.array([0, 1]), [-(2**70), -(2**70)]),
        (2**54, np.array([], "i8"), []),
    ],
)
def test_whole_differences_of_64_bits_are_exact(mean, x, expected):
    assert_array_equal(scaled(nn.Scale(mean, 1), x), np.array(expected, np.float64).astype(np.float32))


def close_to_exact(y, x, mean, std):
    exact = [float((Fraction(number.item()) - Fraction(mean)) / Fraction(std)) for number in x.ravel()]
    eps = float(np.finfo(y.dtype).eps)
    return assert_allclose(y.ravel(), exact, rtol=4 * eps, atol=4 * eps)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    dtype=st.sampled_from([*INTEGERS, "f4", "f8"]),
    mean=st.integers(-(2**64), 2**64) | st.floats(-1e9, 1e9) | st.floats(-100, 100),
    std=st.floats(1e-3, 1e6),
    near=st.lists(st.integers(-300, 300), min_size=1, max_size=8),
)
def test_the_result_is_the_exact_one_rounded_however_large_mean_and_numbers_are(dtype, mean, std, near):
    kind = np.dtype(dtype)
    low, high = (np.iinfo(kind).min, np.iinfo(kind).max) if kind.kind in "iu" else (-(2**24), 2**24)
    x = np.array([min(max(round(mean) + offset, low), high) for offset in near], kind)
    close_to_exact(scaled(nn.Scale(mean, std), x), x, mean, std)


def test_a_sample_scales_the_same_whatever_stands_beside_it():
    scale, x = nn.Scale(3.25, 7), np.array([5, 2**53 - 1, 2**60, -(2**62), 0])
    together = scaled(scale, x)
    alone = [scaled(scale, x[index : index + 1])[0] for index in range(len(x))]
    assert together.tolist() == alone


def test_parts_of_a_large_batch_do_not_show(monkeypatch):
    x = np.arange(2**60, 2**60 + 40).reshape(20, 2)
    whole = scaled(nn.Scale(2**60, 2), x)
    monkeypatch.setattr(_scale, "_CHUNK", 24)
    assert_array_equal(scaled(nn.Scale(2**60, 2), x), whole)


def test_a_mean_that_float32_lacks_is_taken_off_whole():
    x = np.array([20220000, 20220002], np.float32)
    assert scaled(nn.Scale(20220000.5, 1), x).tolist() == [-0.5, 1.5]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floating_point_keeps_its_dtype_and_may_be_overwritten_where_it_is_owned(dtype):
    scale, x = nn.Scale(1000.1, 0.01), np.array([1000, 1001], dtype)
    y = scaled(scale, x)
    assert y.dtype == dtype
    close_to_exact(y, x, 1000.1, 0.01)
    mine = x.copy()
    same, _ = scale.forward({}, mine, own=True)
    assert same is mine
    assert_array_equal(same, y)


@pytest.mark.parametrize("mean", [0.25, 300])
def test_bools_count_as_0_and_1_alone_and_in_front_of_a_linear_layer(mean):
    x = np.array([[True, False], [False, False], [True, True]])
    scale, linear = nn.Scale(mean, 0.5), nn.Linear(2, 3)
    assert scale.output_dtype(x.dtype) == np.float32
    assert_array_equal(scaled(scale, x), (x.astype(np.float32) - np.float32(mean)) * 2)
    chain = scale >> linear
    params, dy = chain.init(np.random.default_rng(0)), np.ones((3, 3), np.float32)
    (y, context), (same, as_bytes) = (chain.forward(params, form, train=True) for form in (x, x.astype(np.uint8)))
    assert y.tobytes() == same.tobytes()
    (_, grads), (_, expected) = (chain.backward(kept, dy, need_dx=False) for kept in (context, as_bytes))
    assert grads[1]["w"].tobytes() == expected[1]["w"].tobytes()
