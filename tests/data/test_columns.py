"""A frame that cannot train is refused by the column that is to blame, and the remedy is one that works."""

import numpy as np
import pandas as pd
import pytest

from akkordeon_dask import data
from akkordeon_dask.errors import DataError
from tests.support.for_each import for_each

pa = pytest.importorskip("pyarrow")

PLAIN = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1, 2, 3]})
CASES = {
    "text": (
        ["x", "y", "x"], "column 's' holds (str|object, e.g. 'x' of type str)",
        lambda frame: frame.assign(s=frame["s"].astype("category").cat.codes),
    ),
    "categories": (
        pd.Categorical(["u", "v", "u"]), "column 's' holds category", lambda frame: frame.assign(s=frame["s"].cat.codes)
    ),
    "times": (
        pd.to_datetime(["2026-01-01"] * 3), "column 's' holds datetime64",
        lambda frame: frame.assign(s=frame["s"].astype("int64")),
    ),
    "durations": (
        pd.to_timedelta([1, 2, 3], "s"), "column 's' holds timedelta64",
        lambda frame: frame.assign(s=frame["s"].astype("int64")),
    ),
    "objects": (
        pd.Series([1, "a", 2], dtype=object), "column 's' holds object, e.g. 'a' of type str",
        lambda frame: frame.assign(s=[1, 0, 2]),
    ),
    "decimals": (
        pd.array([1, 2, 1], pd.ArrowDtype(pa.decimal128(5, 2))),
        r"column 's' holds decimal128.*: take frame\['s'\].astype",
        lambda frame: frame.assign(s=frame["s"].astype("float64")),
    ),
    "NaN": ([1, np.nan, 2], "1 of 9 values are missing .*; the first are in column 's'", lambda frame: frame.fillna(0)),
    "NA": (
        pd.array([None, 1, None], dtype="Int64"), "2 of 9 values are missing .*; the first are in column 's'",
        lambda frame: frame.fillna(0).astype("float32"),
    ),
    "two of one name": (pd.Categorical(["u", "v", "u"]), "column 's' holds category", lambda frame: frame.iloc[:, :2]),
}  # fmt: skip


@for_each("kind", CASES)
def test_a_column_that_holds_no_numbers_is_named_with_a_remedy_that_works(kind):
    values, said, remedy = CASES[kind]
    frame = PLAIN.assign(s=values)
    if kind == "two of one name":
        frame.columns = ["s", "b", "s"]
    for make in (
        lambda: data.arrays(frame, None),
        lambda: next(data.stream([(frame, None)]).open().batches(1, 1)),
    ):
        with pytest.raises(DataError, match=said):
            make()
    assert len(data.arrays(remedy(frame), None).x) == 3


def test_objects_in_a_file_are_named_by_their_array(tmp_path):
    np.savez(tmp_path / "table.npz", x=np.array([1, None], dtype=object), y=np.ones(2) + 1j)
    with pytest.raises(DataError, match=r"^'x' of .*table\.npz cannot be read .*: write x\.astype"):
        data.npz(tmp_path / "table.npz").open()
    with pytest.raises(DataError, match=r"^'y' of .*table\.npz holds complex128"):
        data.npz(tmp_path / "table.npz", "y", None).open()


def test_a_file_without_rows_says_so(tmp_path):
    PLAIN[:0].to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(DataError, match="has no rows: give at least one"):
        data.csv(tmp_path / "table.csv", "b").open()
