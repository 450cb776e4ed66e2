"""What an array or the columns of a frame hold that are no numbers, and the call that makes numbers of it."""

from collections.abc import Iterator
from numbers import Number
from typing import Any, NamedTuple

import numpy as np

from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = [
    "NUMBERS",
    "check_columns",
    "check_missing",
    "check_times",
    "describe_contents",
    "describe_dtype",
    "first_missing",
    "is_time",
]

NUMBERS = "biuf"
"""The kinds of dtypes that are real numbers."""
_EXACT = 2**24
"""float32 has all whole numbers up to here."""
_ENCODE = "encode them as numbers before"
_REMEDIES = {
    "c": "give real and imaginary parts as features of their own, x.real and x.imag",
    "M": 'add .astype("int64")',
    "m": 'add .astype("int64")',
    "V": "give its fields as columns, numpy.lib.recfunctions.structured_to_unstructured(x)",
}


_TIMES = "datetime", "date", "timedelta", "timestamp", "time", "duration", "period"
"""The names of dtypes of pandas, polars and pyarrow that hold times begin so."""


class _Column(NamedTuple):
    text: str
    """`column 'age'`; `its column` where it has no name."""
    call: str
    """By which the user has it."""
    dtype: Any
    values: Any


def check_columns(label: str, value: Any, *, lazy: bool) -> None:
    """Check the dtypes of the columns of a frame, or of a column, of pandas; other values pass.

    Parameters
    ----------
    label
        of the value, for the errors: `"x"`.
    lazy
        it is a part of a collection of Dask, or a description of one: the remedies are Dask's.

    Raises
    ------
    DataError
        names a column that has no numbers, and the remedy.
    """
    for column in _columns(value):
        kind = getattr(column.dtype, "kind", "O")
        if kind in NUMBERS and type(column.dtype).__name__ != "SparseDtype":  # of numpy, or nullable ones of pandas
            continue
        remedy = _column_remedy(column, kind, lazy=lazy)
        if kind == "O" and column.dtype == np.dtype(object) and not lazy:
            held = describe_contents(np.asarray(column.values)).replace(_ENCODE, remedy)
            raise DataError(f"{label}: {column.text} holds {held}")
        raise DataError(f"{label}: {column.text} holds {column.dtype}, which are not numbers: {remedy}")


def check_missing(label: str, value: Any) -> None:
    """Check that a frame, or a column, of pandas has a value in each row of each column; other values pass.

    Raises
    ------
    DataError
        names a column that lacks values, and the remedy.
    """
    if (found := first_missing(value)) is None:
        return
    column, missing = found
    raise DataError(
        f"{label}: {column.text} lacks {missing:,} of {len(column.values):,} values: fill them, "
        f"{column.call}.fillna(value), or drop their rows, .dropna()"
    )


def check_times(label: str, value: Any) -> None:
    """Check that no column of a frame of pandas or polars or a table of pyarrow holds times; other values pass.

    Raises
    ------
    DataError
        names the column: their numbers depend on a unit that nobody has named.
    """
    for name, dtype in _dtypes(value):
        if is_time(dtype):
            raise DataError(
                f"{label}: column {name!r} holds {dtype}, which are not numbers: take numbers of its times, "
                f"of pandas frame[{name!r}].astype('int64'), of polars .to_physical(), of pyarrow .cast('int64')"
            )


def is_time(dtype: Any) -> bool:
    """A dtype of pandas, polars or pyarrow is one of times."""
    return str(dtype).lower().startswith(_TIMES)


def _dtypes(value: Any) -> Iterator[tuple[Any, Any]]:
    """The names of the columns of a frame or table, and their dtypes; none of other values."""
    schema: Any = getattr(value, "schema", None)
    if hasattr(schema, "types"):  # of pyarrow
        yield from zip(schema.names, schema.types, strict=True)
    elif hasattr(schema, "items"):  # of polars
        yield from schema.items()
    elif callable(getattr(getattr(value, "dtypes", None), "items", None)):
        yield from value.dtypes.items()


def first_missing(value: Any) -> tuple[_Column, int] | None:
    """The first column that lacks values, and how many; None where there is none."""
    for column in _columns(value):
        if isinstance(column.dtype, np.dtype) and column.dtype.kind not in "fO":
            continue  # it has a value in each row, and asking takes as long as reading does
        if missing := int(np.count_nonzero(np.asarray(column.values.isna()))):
            return column, missing
    return None


def describe_dtype(dtype: "np.dtype[Any]") -> str:
    """The text of an error: the dtype of an array that holds no numbers, and the remedy."""
    remedy = _REMEDIES.get(dtype.kind, _ENCODE)
    if dtype.kind == "c":
        return f"{dtype}, which are not real numbers: {remedy}"
    if dtype.kind == "V" and dtype.names is None:
        remedy = 'add .astype("float32")'
    return f"{dtype}, which are not numbers: {remedy}"


def describe_contents(array: Array, *, castable: bool = True) -> str:
    """The same of an array whose items may be looked at.

    Parameters
    ----------
    castable
        the value that became this array has a method `astype`; a list or a frame of polars has none.
    """
    if array.dtype.kind != "O":
        return describe_dtype(array.dtype)
    odd = [item for item in array.flat if not isinstance(item, Number | np.bool_)]
    if not odd:
        kind = "float64" if any(map(_is_large, array.flat)) else "float32"
        call = f'add .astype("{kind}")' if castable else f'write numpy.asarray(..., "{kind}")'
        return f"numbers as Python objects: {call}"
    if isinstance(odd[0], str) and (words := [item for item in odd if not _is_number(item)]):
        odd = words  # one of them makes text of all numbers of a column
    return f"{array.dtype}, e.g. {odd[0]!r:.40} of type {type(odd[0]).__name__}, which are not numbers: {_ENCODE}"


def _is_number(item: Any) -> bool:
    """It is text that float() takes."""
    try:
        float(item)
    except (TypeError, ValueError):
        return False
    return True


def _is_large(item: Any) -> bool:
    try:
        return bool(abs(item) > _EXACT)
    except ArithmeticError:  # a Decimal that is NaN is not compared
        return False


def _columns(value: Any) -> Iterator[_Column]:
    """The columns of a frame or column of pandas; none of other values. Two may have one name."""
    if not callable(getattr(type(value), "isna", None)):
        return
    if hasattr(value, "columns"):
        for index, name in enumerate(value.columns):
            yield _Column(f"column {name!r}", f"frame[{name!r}]", value.dtypes.iloc[index], value.iloc[:, index])
    elif (name := getattr(value, "name", None)) is not None:
        yield _Column(f"column {name!r}", f"frame[{name!r}]", value.dtype, value)
    else:
        yield _Column("its column", "column", value.dtype, value)


def _column_remedy(column: _Column, kind: str, *, lazy: bool) -> str:
    call, known = column.call, ".cat.as_known()" if lazy else ""
    sort = type(column.dtype).__name__
    if sort == "CategoricalDtype":
        return f"take the numbers of its categories, {call}{known}.cat.codes"
    if sort == "SparseDtype":
        return f"make it dense, {call}.sparse.to_dense(){' in each partition' if lazy else ''}"
    if str(column.dtype).startswith("decimal"):
        return f"take {call}.astype('float64')"
    if kind in "Mm":
        return f"take numbers of its times, {call}.astype('int64')"
    if kind == "c":
        return f"take {call}.to_numpy().real and .imag as columns of their own"
    return f"encode it as numbers, {call}.astype('category'){known}.cat.codes, or drop it"
