"""Arrays with half the bytes: what is kept of the numbers, and that nothing else is touched."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from akkordeon_dask.messages import narrowed, widened
from tests.support.for_each import for_each

FORMATS = "float16", "bfloat16"
ALL = np.arange(2**16, dtype=np.uint16)
floats = st.floats(-(2.0**127), 2.0**127, width=32)
arrays = hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0), elements=floats)


def bfloat16(bits):
    """The float32 numbers whose upper halves these are, by their definition."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def through(array, format):
    return widened(*narrowed(array, format))


def test_every_bfloat16_number_passes_unchanged():
    numbers = bfloat16(ALL)
    narrow, _ = narrowed(numbers, "bfloat16")
    known = ~np.isnan(numbers)
    np.testing.assert_array_equal(narrow[known], ALL[known])
    assert np.isnan(through(numbers, "bfloat16")[~known]).all()
    assert (narrow[~known] >> 15 == ALL[~known] >> 15).all(), "with its sign"


def test_between_two_bfloat16_numbers_the_nearer_one_is_taken_and_of_two_as_near_the_even_one():
    low = np.arange(0x7F7F, dtype=np.uint32)
    for sign in (0, 0x8000):
        for part, chosen in ((0x7FFF, low), (0x8000, low + (low & 1)), (0x8001, low + 1)):
            numbers = ((low + sign) << 16 | part).astype(np.uint32).view(np.float32)
            np.testing.assert_array_equal(narrowed(numbers, "bfloat16")[0], chosen + sign)


def test_a_nan_of_any_bits_stays_one_and_infinity_too():
    nans = np.array([0x7F800001, 0x7FFFFFFF, 0xFF800001, 0xFFFFFFFF], np.uint32).view(np.float32)
    numbers = np.array([np.inf, -np.inf, 1.5, -0.0], np.float32)
    for format in FORMATS:
        assert np.isnan(through(nans, format)).all()
        np.testing.assert_array_equal(through(numbers, format), numbers)
        assert np.signbit(through(numbers, format)[3])


@given(arrays)
def test_float16_keeps_eleven_digits_of_all_that_matters_beside_the_greatest(array):
    greatest = float(np.abs(array).max(initial=0))
    error = np.abs(through(array, "float16").astype(np.float64) - array)
    assert (error <= np.maximum(np.abs(array.astype(np.float64)) * 2**-11, greatest * 2**-38 + 2**-149)).all()


@given(hnp.arrays(np.float32, (7,), elements=st.floats(-4, 4, width=16)), st.integers(-60, 60))
def test_a_power_of_two_changes_no_digit_of_float16(array, exponent):
    narrow, narrowing = narrowed(array, "float16")
    other, its = narrowed(array * np.float32(2.0**exponent), "float16")
    np.testing.assert_array_equal(narrow, other)
    assert its.exponent == narrowing.exponent - exponent * bool(array.any())


@for_each("greatest", [1e-45, 1e-40, 1e-20, 1.0, 65519.0, 1e20, 3.3e38, -3.3e38])
def test_no_array_overflows_or_vanishes_in_float16(greatest):
    array = np.array([greatest, -greatest / 2, 0], np.float32)
    np.testing.assert_allclose(through(array, "float16"), array, rtol=2**-11)


@pytest.mark.parametrize("format", FORMATS)
@given(arrays)
def test_it_has_half_the_bytes_and_the_shape_and_passes_again_unchanged(format, array):
    narrow, _ = narrowed(array, format)
    once = through(array, format)
    assert narrow.nbytes == array.nbytes // 2 and once.dtype == np.float32 and once.shape == array.shape
    np.testing.assert_array_equal(through(once, format), once)


@for_each("dtype", [np.float64, np.uint8, np.int64, np.float16, ">f4"])
def test_other_numbers_are_sent_as_they_are(dtype):
    array = np.arange(6).astype(dtype)
    for format in (*FORMATS, None):
        sent, narrowing = narrowed(array, format)
        assert sent is array and narrowing is None and widened(sent, None) is array


@for_each("format", FORMATS)
def test_what_rounds_up_beyond_float32_is_infinite(format):
    greatest = np.finfo(np.float32).max
    np.testing.assert_array_equal(through(np.array([greatest, -greatest]), format), [np.inf, -np.inf])


@for_each("format", FORMATS)
def test_a_view_in_another_order_is_read_as_it_is(format):
    array = np.arange(12, dtype=np.float32).reshape(3, 4).T[::2]
    np.testing.assert_array_equal(through(array, format), array)
