"""Numbers over time are kept, up to a bound."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from akkordeon_dask.telemetry import TimeSeries

ROWS = st.lists(st.dictionaries(st.sampled_from("abc"), st.floats(-1e6, 1e6, width=32)), max_size=40)


@given(ROWS, st.integers(1, 12), st.integers(0, 45))
def test_it_gives_back_the_newest_rows_as_they_were(rows, capacity, since):
    history = TimeSeries(capacity)
    for time, row in enumerate(rows):
        history.append(time, row)
    times, columns = history.since(since)
    kept = range(max(since, len(rows) - capacity), len(rows))
    assert list(times) == list(kept)
    for name in {name for row in rows for name in row}:
        expected = np.array([rows[time].get(name, np.nan) for time in kept], np.float32)
        np.testing.assert_array_equal(columns[name], expected)


def test_columns_are_returned_as_copies():
    history = TimeSeries(3)
    history.append(0.0, {"a": 1.0})
    times, columns = history.since(0)
    history.append(1.0, {"a": 2.0})
    history.append(2.0, {"a": 3.0})
    history.append(3.0, {"a": 4.0})
    assert times.tolist() == [0.0] and columns["a"].tolist() == [1.0]


def test_a_column_that_nobody_fills_any_more_is_forgotten():
    history = TimeSeries(60)
    history.append(0.0, {"gone": 1.0, "here": 1.0})
    for time in range(1, 200):
        history.append(float(time), {"here": 1.0})
    assert history.columns == ("here",)
