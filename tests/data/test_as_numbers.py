"""Values that become arrays, and values that are refused by their type with the call to add."""

import concurrent.futures
from collections import deque
from decimal import Decimal

import dask
import dask.array
import dask.bag
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from akkordeon_dask import data
from akkordeon_dask.data import as_numbers
from akkordeon_dask.errors import DataError
from tests.support.for_each import for_each

X = np.arange(24, dtype=np.float32).reshape(12, 2)
FRAME = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]}, index=[7, 2, 5])
FLAGS = pd.DataFrame({"a": [1, 2, 3], "b": [True, False, True]})


class csr_matrix:  # noqa: N801 - scipy's name
    """Has what a sparse matrix of scipy has."""

    shape = (12, 2)

    def __len__(self):
        raise TypeError("sparse array length is ambiguous")

    def toarray(self):
        return X


class LazyFrame:
    """Has what a frame of Dask has, which needs pyarrow."""

    def __dask_graph__(self):
        return {}

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("nothing is computed in silence")

    def __iter__(self):
        return iter(["a", "b"])


class Tensor:
    """Has what a tensor of torch, jax or polars has."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


class Tagged(np.ndarray):
    """A user's subclass."""


def masked(indices=()):
    mask = np.zeros(X.shape, bool)
    mask.flat[list(indices)] = True
    return np.ma.masked_array(X, mask, fill_value=9999)


def done():
    future = concurrent.futures.Future()
    future.set_result(X)
    return future


@for_each(
    "value",
    [
        X.tolist(),
        [row.astype(">i4") for row in X],
        deque(X),
        Tensor(X),
        [Tensor(row) for row in X],
        X.view(np.matrix),
        X.view(Tagged),
        X.view(np.recarray),
        pd.DataFrame(X),
        pd.DataFrame(X, index=np.arange(12)[::-1]),
        pd.DataFrame(X).astype("float64"),
        [pd.Series(row, index=[5, 3]) for row in X],
        masked(),
        [masked()[row] for row in range(12)],
        Tensor(masked()),
    ],
)
def test_whatever_becomes_an_array_of_the_same_numbers_is_taken(value):
    for got in (as_numbers("x", value), next(data.stream([(value, None)]).open().batches(1, 1))[0]):
        assert type(got) is np.ndarray
        assert_array_equal(got, X)


def test_rows_of_a_column_count_by_position_whatever_its_index():
    y = FRAME["a"].sort_index()
    x, labels = next(data.arrays(FRAME, y, shuffle=False).open().batches(1, 3))
    assert_array_equal(x, [[1, 0.5], [2, 1.5], [3, 2.5]])
    assert labels.tolist() == [2, 3, 1]


def test_columns_of_bools_alone_are_taken_as_they_are():
    dummies = pd.get_dummies(pd.Series(["a", "b", "a"]))
    assert as_numbers("x", dummies).dtype == bool


@pytest.mark.parametrize(
    "value",
    [masked(range(8)), Tensor(masked(range(8))), [masked(range(8))[row] for row in range(12)], masked(range(8)).T],
    ids=["array", "tensor", "list", "transposed"],
)
def test_masked_values_are_counted_and_refused_with_a_remedy(value):
    words = r"8 of 24 values are masked: fill them by \.filled\(value\), or drop their rows"
    with pytest.raises(DataError, match=rf"^x: {words}"):
        data.arrays(value, None)
    with pytest.raises(DataError, match=rf"^y: {words}"):
        data.arrays(np.zeros((len(value) if hasattr(value, "__len__") else 12, 1)), value)
    batches = data.stream([(X, None), (value, None)]).open().batches(3, 1)
    next(batches)
    with pytest.raises(DataError, match=rf"epoch 3, batch 2: x: {words}"):
        next(batches)


def test_large_counts_of_masked_values_are_easy_to_read_and_numpys_one_masked_value_counts():
    with pytest.raises(DataError, match=r"x: 1,376 of 1,376 values are masked"):
        as_numbers("x", np.ma.masked_all((172, 8)))
    with pytest.raises(DataError, match=r"x: 1 of 3 values are masked"):
        as_numbers("x", [1.0, np.ma.masked, 2.0])


@pytest.mark.parametrize(
    ("value", "missing"),
    [
        (pd.Series([1, None, 3]).convert_dtypes(), "1 of 3"),
        (pd.Series([1.5, None, None]).convert_dtypes(), "2 of 3"),
        (pd.DataFrame({"a": [1, None, 3], "b": [0.5, 1.5, None]}).convert_dtypes(), "2 of 6"),
        (pd.Series([True, None, False]).convert_dtypes(), "1 of 3"),
        (pd.Series([1, None, 3]).convert_dtypes().array, "1 of 3"),
    ],
)
def test_missing_values_of_nullable_columns_are_counted_and_refused(value, missing):
    with pytest.raises(DataError, match=rf"^y: {missing} values are missing \(NA\): fill them by \.fillna\(value\)"):
        data.arrays(X[:3], value)


class Column(Tensor):
    """Has what a column of polars has: numpy is given NaN for its nulls."""

    def null_count(self):
        return int(np.isnan(self.array).sum())


class Chunk(Tensor):
    """Has what an array of pyarrow has."""

    @property
    def null_count(self):
        return int(np.isnan(self.array).sum())


@pytest.mark.parametrize("kind", [Column, Chunk])
def test_nulls_of_other_frames_are_counted_and_refused(kind):
    with pytest.raises(DataError, match=r"^x: 1 of 3 values are missing \(NA\): .* by \.fill_null\(value\)"):
        as_numbers("x", kind(np.array([1.0, np.nan, 3.0])))
    assert_array_equal(as_numbers("x", kind(X)), X)


LAZY = [
    (csr_matrix(), r"csr_matrix.*: add \.toarray\(\)"),
    (done(), r"Future.*: add \.result\(\)"),
    (dask.delayed(np.zeros)(12), r"Delayed.*: add \.compute\(\)"),
    (dask.array.ones((12, 2)), r"Array.*: add \.compute\(\)"),
    (LazyFrame(), r"LazyFrame.*: add \.compute\(\)"),
    (dask.bag.from_sequence([1, 2]), r"Bag.*: add \.compute\(\)"),
]


@for_each("value, words", LAZY)
def test_a_sparse_or_lazy_value_is_named_with_the_call_to_add(value, words):
    for name, make in (
        ("x", lambda: data.arrays(value, None)),
        ("y", lambda: data.arrays(X, value)),
        (r"data\.stream\(.*batch 1: x", lambda: next(data.stream([(value, None)]).open().batches(1, 1))),
        (r"data\.stream\(.*batch 1: y", lambda: next(data.stream([(X, value)]).open().batches(1, 1))),
    ):
        with pytest.raises(DataError, match=f"^{name} is of type {words}"):
            make()
    with pytest.raises(DataError, match=f"^x holds something of type {words}"):
        data.arrays([value, value], None)
    with pytest.raises(DataError, match=words.rpartition(": ")[2]):
        next(data.stream([value]).open().batches(1, 1))


@for_each("value, words", [*LAZY, (FRAME, "DataFrame"), (FRAME["a"], "Series"), (Tensor(X), "Tensor")])
def test_an_iterable_without_batches_is_no_provider(value, words):
    kind, _, call = words.partition(".*: ")
    for make in (data.stream, data.as_provider, data.augment):
        with pytest.raises(
            DataError, match=rf"^[^\n]* of type {kind} is no provider: {call}[^\n]*data\.arrays\(x, y\)"
        ):
            make(value)


@for_each(
    "value, words",
    [
        ((row for row in X), r"^x is of type generator, .*numpy\.stack\(list\(\.\.\.\)\)"),
        (map(abs, [1]), "^x is of type map"),
        (len, "^x is of type builtin_function_or_method.*: call it"),
        ("images.npy", "^x is of type str, which is no array: give an array with one row for each sample"),
        ({"a": 1}, "^x is of type dict, which is no array"),
        (None, "^x is of type NoneType, which is no array"),
        (FLAGS, r'^x, a DataFrame, holds numbers as Python objects: add \.astype\("float32"\)'),
        (FLAGS.convert_dtypes(), r'^x, a DataFrame, holds .*: add \.astype\("float32"\)'),
        (FRAME.convert_dtypes(), r'^x, a DataFrame, holds .*: add \.astype\("float32"\)'),
        (pd.Series([1, 2], dtype=object), r'^x, a Series, holds .*: add \.astype\("float32"\)'),
        ([2**70, 1], r'^x holds numbers as Python objects: write numpy\.asarray\(\.\.\., "float64"\)'),
        (np.array([2**70, 1]), r'^x holds numbers as Python objects: add \.astype\("float64"\)'),
        (np.array([Decimal("NaN"), Decimal(1)]), r'^x holds numbers as Python objects: add \.astype\("float32"\)'),
        (
            pd.Series(["cat", "dog"]),
            "^x, a Series, holds object, e.g. 'cat' of type str, which are not numbers: encode",
        ),
        (pd.to_datetime(pd.Series(["2020-01-01"])), r'^x, a Series, holds datetime64.*: add \.astype\("int64"\)'),
        (np.zeros(3, "m8[s]"), r'^x holds timedelta64.*: add \.astype\("int64"\)'),
        (np.zeros(3, [("a", "f4"), ("b", "f4")]), r"^x holds .*'a'.*: .*structured_to_unstructured\(x\)"),
        (np.ones((3, 2), complex), r"^x holds complex128, which are not real numbers: .* x\.real and x\.imag"),
        ([1, 2j], "^x holds complex128"),
    ],
)
def test_values_that_are_no_real_numbers_are_named_by_their_type(value, words):
    with pytest.raises(DataError, match=words):
        data.arrays(value, None)


def test_an_object_that_cannot_become_an_array_says_why():
    class Stubborn:
        def __array__(self, dtype=None, copy=None):
            raise TypeError("use detach() before")

    with pytest.raises(DataError, match=r"^x, of type Stubborn, does not become an array: use detach\(\) before"):
        data.arrays(Stubborn(), None)


def test_a_function_that_returns_something_lazy_is_refused_with_the_call_to_add():
    with pytest.raises(
        DataError, match=r"made a Delayed\w*: it has to make an iterable of \(x, y\): add \.compute\(\)"
    ):
        next(data.stream(lambda: dask.delayed(X)).open().batches(1, 1))


@pytest.mark.parametrize("value", ["no", 1, None, np.ones(2)])
def test_a_switch_is_true_or_false(value):
    for make in (
        lambda: data.arrays(X, None, shuffle=value),
        lambda: data.augment([(X, None)], flip=value),
        lambda: data.stream([(X, None)], copy=value),
    ):
        with pytest.raises(DataError, match="is True or False, not "):
            make()
    assert repr(data.arrays(X, None, shuffle=np.False_)) == "data.arrays(<(12, 2) float32>, None, shuffle=False)"


@pytest.mark.parametrize(("day", "kind"), [(20211231, "float64"), (12, "float32")])
def test_the_type_to_convert_to_keeps_all_digits(day, kind):
    mixed = pd.DataFrame({"day": [day, day], "ok": [True, False]})
    with pytest.raises(DataError, match=rf'add \.astype\("{kind}"\)'):
        as_numbers("x", mixed)
