from datetime import timedelta

import click
import dask.config
import numpy as np
import pytest
from dask.utils import parse_timedelta, timedelta_sizes
from hypothesis import given
from hypothesis import strategies as st

from akkordeon_dask import Sentinel, config, data, plan
from akkordeon_dask._durations import parse_duration
from akkordeon_dask.cli import akkordeon
from akkordeon_dask.errors import DataError, SpecError
from tests.support.for_each import for_each


@for_each(
    "value, seconds",
    [
        ("20s", 20), ("1.5min", 90), ("2 minutes", 120), ("100ms", 0.1), (" 1 H ", 3600), ("3", 3), ("1e-1 s", 0.1),
        (3, 3), (0.5, 0.5), (np.float32(0.5), 0.5), (np.int64(2), 2),
        (timedelta(minutes=2), 120), (np.timedelta64(1500, "ms"), 1.5),
    ],
)  # fmt: skip
def test_a_time_is_taken_however_it_is_written(value, seconds):
    assert parse_duration("every", value) == pytest.approx(seconds)


@for_each("unit", sorted(timedelta_sizes))
def test_all_units_of_dask_mean_the_same_here(unit):
    assert parse_duration("every", f"3{unit}") == pytest.approx(parse_timedelta(f"3{unit}"))


@for_each(
    "value",
    ["", "s", "soon", "1.2.3s", "3 fortnights", "-3s", "1e400s", "0s", 0, -1, True, float("nan"), np.inf, None, [1],
     timedelta(0), timedelta(seconds=-1), np.timedelta64(1, "M"), np.timedelta64("NaT", "s")],
)  # fmt: skip
def test_a_value_that_is_no_time_above_zero_is_quoted(value):
    with pytest.raises(SpecError) as caught:
        parse_duration("every", value)
    assert "every is a time above zero" in str(caught.value) and repr(value)[:80] in str(caught.value)


def test_an_error_is_of_the_class_that_is_asked_for():
    with pytest.raises(DataError):
        parse_duration("x", "soon", error=DataError)
