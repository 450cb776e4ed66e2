"""Frames and tables as batches: their columns become features by position."""

import numpy as np
import pytest

from akkordeon_dask import data
from akkordeon_dask.errors import DataError
from tests.support.for_each import for_each

pandas = pytest.importorskip("pandas")
pyarrow = pytest.importorskip("pyarrow")

FRAME = pandas.DataFrame({"a": [1.0, 1.0], "b": [2.0, 2.0]})


@for_each("other", [FRAME[["b", "a"]], FRAME.rename(columns={"b": "c"}), FRAME.assign(c=3.0)])
def test_frames_whose_columns_are_not_those_of_the_first_one_are_refused(other):
    batches = data.open_source(data.stream([(FRAME, [0, 1]), (other, [0, 1])])).batches(1, 2)
    next(batches)
    with pytest.raises(
        DataError, match=r"batch 2: x has the columns \[.*\], and in .*batch 1 it had \['a', 'b'\]: select"
    ):
        next(batches)


def test_frames_of_one_order_and_arrays_may_follow_one_another():
    things = [(FRAME, [0, 1]), (FRAME.to_numpy(), [0, 1]), (FRAME + 1, [0, 1])]
    batches = data.open_source(data.stream(things)).batches(1, 2)
    assert [x.tolist()[0] for x, _ in batches] == [[1, 2], [1, 2], [2, 3]]


def test_columns_of_targets_have_one_order_too():
    things = [(FRAME.to_numpy(), FRAME), (FRAME.to_numpy(), FRAME[["b", "a"]])]
    with pytest.raises(DataError, match=r"batch 2: y has the columns \['b', 'a'\]"):
        list(data.open_source(data.stream(things)).batches(1, 2))


class Annotated(np.ndarray):
    """An array whose `columns` are something of its own."""

    def columns(self):
        return 2


def test_an_array_may_have_columns_of_its_own_kind():
    annotated = np.ones((2, 2)).view(Annotated)
    assert data.arrays(annotated, [0, 1]).columns == data.ColumnNames()


def test_an_augmented_stream_has_the_columns_of_its_frames():
    source = data.open_source(
        data.augment(data.stream([(FRAME.assign(c=0.0, d=0.0), [0, 1])]), flip=True, shape=(2, 2))
    )
    assert source.columns == data.ColumnNames()
    next(source.batches(1, 2))
    assert source.columns.x == ("a", "b", "c", "d")


@for_each("make", [pyarrow.table, pyarrow.record_batch])
def test_a_table_of_arrow_lacks_no_value(make):
    whole = make({"a": [1, 2], "b": [3.0, 4.0]})
    assert next(data.arrays(whole, [0, 1], shuffle=False).open().batches(1, 2))[0].tolist() == [[1, 3], [2, 4]]
    with pytest.raises(DataError, match=r"x: 2 of 4 values are missing \(NA\): fill them"):
        data.arrays(make({"a": [1, None], "b": [None, 4.0]}), [0, 1])
    with pytest.raises(DataError, match=r"batch 1: x: 1 of 2 values are missing"):
        list(data.open_source(data.stream([(make({"a": [None], "b": [1.0]}), [0])])).batches(1, 1))


@for_each("make", [pandas.DataFrame, pyarrow.table])
def test_no_column_of_times_becomes_numbers_of_a_unit_that_nobody_has_named(make):
    table = make({"a": [1.0, 2.0], "t": pandas.to_datetime(["2026-01-01", "2026-01-02"])})
    with pytest.raises(DataError, match=r"x: column 't' holds .*, which are not numbers: take numbers of its times"):
        data.arrays(table, [0, 1])
