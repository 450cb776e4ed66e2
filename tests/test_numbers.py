from fractions import Fraction

import numpy as np
import pytest

from akkordeon_dask._numbers import LARGEST_COUNT, check_count, check_int, check_number
from akkordeon_dask.errors import DataError, SpecError
from tests.support.for_each import for_each


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3)], ids=repr)
def test_whole_numbers_of_every_kind_become_pythons(value):
    number = check_int("seed", value, 0)
    assert (number, type(number), repr(number)) == (3, int, "3")


@for_each("value", [True, np.True_, 3.0, np.float32(3), "3", None, float("nan"), [3], 2])
def test_a_value_that_is_no_whole_number_of_that_size_is_quoted(value):
    with pytest.raises(SpecError) as caught:
        check_int("seed", value, 3)
    quoted = value.item() if isinstance(value, np.generic) else value
    assert str(caught.value) == f"seed is a whole number of at least 3, not {quoted!r}"


def test_a_count_is_one_that_messages_and_heartbeats_can_carry():
    assert check_count("epochs", np.int64(LARGEST_COUNT)) == LARGEST_COUNT
    with pytest.raises(SpecError, match=f"epochs is a whole number of at most {LARGEST_COUNT}, not 1000"):
        check_count("epochs", 10**30)
    with pytest.raises(SpecError, match="epochs is a whole number of at least 1, not 0"):
        check_count("epochs", 0)
    with pytest.raises(SpecError, match="not one of 16,610 bits"):
        check_count("epochs", 10**5_000)


def test_an_error_is_of_the_class_that_is_asked_for():
    with pytest.raises(DataError, match="take is a whole number, not 'x'"):
        check_int("take", "x", error=DataError)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.array(0.5), Fraction(1, 2)], ids=repr)
def test_real_numbers_of_every_kind_become_pythons(value):
    number = check_number("rate", value)
    assert (number, type(number)) == (0.5, float)


def test_a_whole_number_stays_one_and_prints_as_it_was_written():
    assert repr(check_number("mean", np.int64(3))) == "3"


@for_each("value", [float("nan"), np.inf, True, np.True_, "0.5", None, 1j, 10**400])
def test_a_value_that_is_no_finite_number_is_refused(value):
    with pytest.raises(SpecError, match="rate is a finite number, not "):
        check_number("rate", value)


@pytest.mark.parametrize(
    ("bounds", "inside", "outside", "words"),
    [
        ({"least": 0, "below": 1}, 0, 1, "of at least 0 and below 1"),
        ({"above": 0}, 0.1, 0, "above 0"),
        ({"most": 2}, 2, 2.1, "of at most 2"),
    ],
)
def test_bounds_hold_and_are_named(bounds, inside, outside, words):
    assert check_number("x", inside, **bounds) == inside
    with pytest.raises(SpecError, match=f"x is a finite number {words}, not {outside}"):
        check_number("x", outside, **bounds)
