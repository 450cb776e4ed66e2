"""Standardisation: the mean goes before any digit does."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import nn
from akkordeon_dask.errors import ShapeError, SpecError
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


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    dtype=st.sampled_from([*INTEGERS, "f4", "f8"]),
    means=st.lists(st.integers(-(2**63), 2**63) | st.floats(-1e9, 1e9), min_size=3, max_size=3),
    stds=st.lists(st.floats(1e-3, 1e6), min_size=3, max_size=3),
    near=st.integers(-300, 300),
)
def test_each_feature_scales_as_if_it_were_alone(dtype, means, stds, near):
    kind = np.dtype(dtype)
    low, high = (np.iinfo(kind).min, np.iinfo(kind).max) if kind.kind in "iu" else (-(2**24), 2**24)
    x = np.array([[min(max(round(mean) + near * row, low), high) for mean in means] for row in (1, 2)], kind)
    y = scaled(nn.Scale(means, stds), x)
    for feature, (mean, std) in enumerate(zip(means, stds, strict=True)):
        close_to_exact(y[:, feature], x[:, feature], mean, std)


def test_images_scale_by_channel_and_one_mean_goes_with_many_deviations():
    x = np.random.default_rng(0).normal(size=(4, 3, 5, 6)).astype(np.float32)
    y = scaled(nn.Scale(0.5, [1, 2, 4]), x)
    for channel, std in enumerate((1, 2, 4)):
        assert_array_equal(y[:, channel], scaled(nn.Scale(0.5, std), x[:, channel]))


def test_bytes_with_numbers_for_each_feature_go_through_both_layers():
    scale, linear = nn.Scale([10, 200, 3], [5, 7, 2]), nn.Linear(3, 2)
    chain = scale >> linear
    x = np.random.default_rng(0).integers(0, 256, (6, 3), dtype=np.uint8)
    params = chain.init(np.random.default_rng(1))
    assert_array_equal(chain.forward(params, x)[0], linear.forward(params[1], scaled(scale, x))[0])


@for_each(
    "mean, std, message",
    [
        ([1, 2], [1, 2, 3], "there are 2 means and 3 deviations"),
        ([], 1, "mean is empty"),
        ([1, float("nan")], 1, "mean of feature 1 is a finite number, not nan"),
        (0, [1, 0], "std of feature 1 is a finite number above 0, not 0"),
        ([[1, 2]], 1, "mean of feature 0"),
        ("12", 1, "mean is a finite number"),
    ],
)
def test_bad_numbers_of_features_are_refused(mean, std, message):
    with pytest.raises(SpecError, match=message):
        nn.Scale(mean, std)


def test_samples_of_another_size_are_refused_before_and_while_it_runs():
    scale = nn.Scale(np.zeros(3), np.ones(3))
    for shape in ((4,), (1, 28, 28), ()):
        with pytest.raises(ShapeError, match="numbers for 3"):
            scale.output_shape(shape)
    with pytest.raises(ShapeError, match="numbers for 3 features"):
        scaled(scale, np.zeros((2, 4)))
    assert scale.output_shape((3,)) == (3,) and scale.output_shape(None) is None


def test_many_numbers_print_in_a_few_words_and_count_by_value():
    many = nn.Scale(np.arange(784), np.arange(1, 785))
    assert repr(many) == "nn.Scale(<784 numbers>, <784 numbers>)"
    assert many == nn.Scale(list(range(784)), range(1, 785)) != nn.Scale(0, range(1, 785))
    assert hash(many) == hash(nn.Scale(range(784), range(1, 785)))
