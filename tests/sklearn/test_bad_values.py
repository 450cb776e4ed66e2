"""Values that an estimator cannot take are refused with the column and the remedy, in memory and of Dask."""

import math
from collections import deque
from concurrent.futures import Future
from datetime import timedelta
from uuid import SafeUUID

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from akkordeon_dask.sklearn import AkkordeonClassifier, AkkordeonRegressor
from tests.support.for_each import for_each

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pa = pytest.importorskip("pyarrow")

pytestmark = pytest.mark.cluster

ROWS = 40
RNG = np.random.default_rng(0)
Y = np.arange(ROWS) % 3
X = RNG.normal(size=(ROWS, 4))
FRAME = pd.DataFrame(X, columns=[*"abcd"])


def with_column(values):
    return FRAME.assign(c=values)


def holed(value):
    return np.where(np.arange(ROWS * 4).reshape(ROWS, 4) == 5, value, X)


INPUTS = {
    "masked": (np.ma.masked_greater(X, 1.0), r"\d+ of \d+ values are masked: fill them by \.filled"),
    "times": (X.astype("M8[s]"), r"X holds datetime64\[s\], which are not numbers: add \.astype"),
    "records": (FRAME.to_records(index=False), "structured_to_unstructured|Expected 2D array"),
    "complex": (X.astype(complex), "not real numbers: give real|Complex data not supported"),
    "times alone in a frame": (
        pd.DataFrame({name: pd.date_range("2026-01-01", periods=ROWS) for name in "abcd"}),
        r"column 'a' holds datetime64.*, which are not numbers: take numbers of its times",
    ),
    "a column of times": (with_column(pd.Timestamp("2026-01-01")), r"column 'c' holds datetime64.*\['c'\].astype"),
    "a column of durations": (with_column(pd.Timedelta("1s")), r"column 'c' holds timedelta64.* frame\['c'\].astype"),
    "text": (with_column("x"), r"column 'c' holds (str|object).*encode it as numbers, frame\['c'\]"),
    "categories": (with_column(pd.Categorical([*"uv"] * 20)), r"column 'c' holds category.*\['c'\].*\.cat\.codes"),
    "NA": (with_column(pd.array([1, None] * 20, dtype="Int64")), r"column 'c'"),
    "NaN in a frame": (pd.DataFrame(holed(np.nan), columns=[*"abcd"]), "column 'b'"),
    "NaN": (holed(np.nan), "Input X contains NaN|1 of 20 values of feature 1 are missing"),
    "infinite": (holed(np.inf), "contains infinity|1 of 20 values of feature 1 are missing, infinite"),
    "two columns of one name": (FRAME[[*"abca"]], "several columns of one name, a"),
    "no columns": (X[:, :0], r"0 feature\(s\)|X has 0 features"),
    "one axis": (X[:, 0], "Expected 2D array"),
}  # fmt: skip
LABELS = {
    "masked": (np.ma.masked_equal(Y, 1), "values are masked|labels are missing"),
    "NaN": (np.where(Y, Y, np.nan), "Input y contains NaN|labels are missing: drop their rows"),
    "None": (np.where(Y, Y, None), "Unknown label type|labels are missing"),
    "text and None": (np.where(Y, "a", None), "labels are missing: drop their rows"),
    "text and NA": (pd.Series(["a", pd.NA] * 20, dtype="string"), "lacks (20 of 40|10 of 20) values"),
    "text and numbers": (np.where(Y, "a", Y.astype(object)), "mixes labels of the types int, str: give all one type"),
    "NA": (pd.Series([1, None] * 20, dtype="Int64"), "lacks (20 of 40|10 of 20) values"),
    "numbers as objects": (Y.astype(object), r'labels of type int as Python objects: add \.astype\("int64"\)'),
    "bools as objects": ((Y > 1).astype(object), r"labels of type bool as Python objects: add \.astype\(bool\)"),
    "intervals": (np.array([pd.Interval(i, i + 1) for i in Y]), r"of type Interval as .*: add \.astype\(str\)"),
    "without an order": (
        np.array([*SafeUUID])[Y],
        "labels of type SafeUUID, which have no order: give text or numbers, y",
    ),
    "complex": (Y + 1j, "Complex data not supported|dtype complex128: give one label for each row"),
    "times that are missing": (np.array(["2026-01-01", "NaT"] * 20, "M8[D]"), "(20 of 40|10 of 20) labels are missing"),
    "fractions": (Y + 0.5, "Unknown label type: continuous"),
    "two columns": (np.stack([Y, Y], axis=1), "y should be a 1d array"),
}
TARGETS = {
    "masked": (np.ma.masked_equal(Y, 1), "values are masked"),
    "times": (Y.astype("M8[s]"), r"y holds datetime64\[s\], which are not numbers"),
    "text": (pd.Series(["x"] * ROWS, name="t"), "column 't' holds (str|object, e.g. 'x' of type str), .*encode it as"),
    "too large": (np.where(Y, 1e40, 0.0), r"y has 1e\+40 in sample \d+, too large for float32: scale it"),
}
LATER = {
    "a future": (Future(), r"is of type Future, which is no array of numbers: add \.result\(\)"),
    "lazy": (da.zeros(3), r"X is no collection of Dask|is of type Array, .*: add \.compute\(\)"),
}


def lazy(value):
    if isinstance(value, pd.DataFrame | pd.Series):
        return dd.from_pandas(value, npartitions=2)
    return da.from_array(value, chunks=(20, *value.shape[1:]), asarray=False)


@pytest.fixture(scope="module")
def fitted():
    """Two classifiers, of an array and of a frame."""
    return {kind: AkkordeonClassifier(max_epochs=1, random_state=0).fit(x, Y) for kind, x in ((0, X), (1, FRAME))}


@for_each("kind", INPUTS)
def test_inputs_are_refused_wherever_they_come_in(kind, fitted):
    value, said = INPUTS[kind]
    own = fitted[hasattr(value, "columns")]
    with pytest.raises(ValueError, match=said):
        AkkordeonClassifier().fit(value, Y)
    with pytest.raises(ValueError, match=said):
        own.predict(value)
    with pytest.raises(ValueError, match=said):
        own.predict(lazy(value)).compute(scheduler="sync")


def test_numbers_of_a_collection_beyond_the_networks_precision_are_refused(fitted):
    with pytest.raises(ValueError, match="1 of 20 values of feature 1 are missing, infinite or too large for float32"):
        fitted[0].predict(lazy(holed(1e39))).compute(scheduler="sync")


@for_each("kind", LABELS)
def test_labels_are_refused_before_anything_trains(kind):
    value, said = LABELS[kind]
    for x, y in ((X, value), (lazy(X), lazy(value))):
        with pytest.raises(ValueError, match=said):
            AkkordeonClassifier().fit(x, y)


@for_each("kind", TARGETS)
def test_targets_are_refused_before_anything_trains(kind):
    value, said = TARGETS[kind]
    with pytest.raises(ValueError, match=said):
        AkkordeonRegressor().fit(X, value)


@for_each("missing", [math.nan, np.float32("nan"), np.float64("nan"), pd.NA, pd.NaT, None, np.ma.masked])
def test_labels_in_a_list_are_refused_where_some_are_missing(missing):
    for labels in (["a", missing] * 20, deque(["a", missing] * 20), [["a"], [missing]] * 20):
        with pytest.raises(ValueError, match=r"y: 20 of 40 (labels are missing|values are masked)"):
            AkkordeonClassifier().fit(X, labels)
    for classes in (["a", "b", missing], ("a", "b", missing)):
        with pytest.raises(ValueError, match="classes: 1 of 3 labels are missing: drop their rows"):
            AkkordeonClassifier().partial_fit(X, ["a", "b"] * 20, classes=classes)


def test_classes_that_are_none_are_refused():
    with pytest.raises(ValueError, match="classes: 1 of 3 labels are missing: drop their rows"):
        AkkordeonClassifier().partial_fit(X, ["a", "b"] * 20, classes={"a", "b", math.nan})
    with pytest.raises(ValueError, match=r"classes=\[\] names no class: give all labels there are"):
        AkkordeonClassifier().partial_fit(X, Y, classes=[])


def test_tables_of_arrow_are_read_and_two_columns_of_one_name_are_refused(fitted):
    table = pa.table({name: FRAME[name] for name in FRAME})
    np.testing.assert_array_equal(fitted[1].predict(table), fitted[1].predict(FRAME))
    with pytest.raises(ValueError, match="several columns of one name, a: give each"):
        AkkordeonClassifier().fit(table.rename_columns([*"abca"]), Y)


TIMES = pd.Series(pd.date_range("2026-01-01", periods=ROWS))
IN_LISTS = {
    "masked numbers": ([np.ma.masked, *X[1:, 0]], "1 of 40 values are masked: fill them"),
    "masked rows": (list(np.ma.masked_equal(X, X[0, 0])), "1 of 160 values are masked: fill them"),
    "times": (list(TIMES), r"holds Timestamp\('2026-01-01 00:00:00'\), which is no number: give numbers of a unit"),
    "durations of Python": (
        [timedelta(seconds=1)] * ROWS,
        r"holds datetime\.timedelta\(seconds=1\), which is no number",
    ),
    "times of numpy": (list(TIMES.to_numpy()), r"holds datetime64.*, which are not numbers: add \.astype"),
}
OF_OTHERS = {
    "a time zone": (
        TIMES.dt.tz_localize("UTC"),
        r"y, a Series, holds datetime64\[[nu]s, UTC\], which are not numbers: take",
    ),
    "periods": (TIMES.dt.to_period("D"), r"y, a Series, holds period\[D\], which are not numbers: take numbers of its"),
    "times of Arrow": (
        TIMES.astype("timestamp[us][pyarrow]"),
        r"y, a Series, holds timestamp\[us\]\[pyarrow\], which are",
    ),
    "an array of Arrow": (pa.array(TIMES), r"y, a TimestampArray, holds timestamp\[.s\], which are not numbers: take"),
}


@for_each("kind", IN_LISTS)
def test_lists_with_values_that_numpy_would_change_in_silence_are_refused(kind):
    value, said = IN_LISTS[kind]
    with pytest.raises(ValueError, match=f"y:? {said}"):
        AkkordeonRegressor().fit(X, value)
    with pytest.raises(ValueError, match=f"X:? {said}"):
        AkkordeonRegressor().fit([[one] for one in value], X[:, 0])


@for_each("kind", OF_OTHERS)
def test_columns_of_times_are_no_targets_whoever_made_them(kind):
    value, said = OF_OTHERS[kind]
    with pytest.raises(ValueError, match=said):
        AkkordeonRegressor().fit(X, value)


@for_each("kind", LATER)
def test_what_comes_later_is_refused_with_the_call_to_add(kind):
    value, said = LATER[kind]
    for given in ((X, value), (X, Y, value)):
        with pytest.raises(ValueError, match=said):
            AkkordeonClassifier().fit(*given)


def test_sparse_parts_of_a_collection_are_refused(fitted):
    blocks = da.from_array(X, chunks=(20, 4)).map_blocks(sparse.csr_matrix, dtype="f8", meta=np.empty((0, 0)))
    with pytest.raises(ValueError, match=r"is of type csr_\w+, which is no array of numbers: add \.toarray\(\)"):
        fitted[False].predict(blocks).compute(scheduler="sync")


def test_another_order_of_columns_in_a_partition_is_refused(fitted):
    orders = [[*"abcd"], [*"dcba"]]
    mixed = dd.from_map(FRAME.__getitem__, orders, meta=FRAME[:0], enforce_metadata=False)
    said = r"has the columns \['d', 'c', 'b', 'a'\], and Dask expects \['a', 'b', 'c', 'd'\]"
    with pytest.raises(ValueError, match=said):
        fitted[True].predict(mixed).compute(scheduler="sync")
