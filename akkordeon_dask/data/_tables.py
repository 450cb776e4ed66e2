"""Tables in files, CSV or Parquet, as a provider."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from akkordeon_dask.data._column_names import ColumnNames
from akkordeon_dask.data._numbers import as_numbers
from akkordeon_dask.data._provider import Provider
from akkordeon_dask.data._stored import Samples, Stored, file_name
from akkordeon_dask.data._table_files import read_csv, read_parquet
from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = ["csv", "parquet"]

_NAMED = 12
"""Columns or values that an error names."""
_INDEX = "Unnamed: 0"
"""The name that pandas gives a first column without one."""
_COARSE, _EQUAL = 0.01, 1e-14
"""Standard deviations of a column by which rounding may change a value, and such a change, beside the greatest value,
where all are equal but for the last bits of float64."""
Dtype = Literal["float32", "float64", "int64", "uint8"]
"""Of x."""


def csv(
    path: str | os.PathLike[str],
    target: str | Sequence[str] | None,
    *,
    columns: Sequence[str] | None = None,
    classes: Sequence[str | int | float] | None = None,
    dtype: Dtype = "float32",
    shuffle: bool = True,
    seed: int = 0,
    take: int | None = None,
    shard: tuple[int, int] | None = None,
) -> Provider:
    """A table of numbers in a CSV file with a header, read by pandas where the sentinel runs.

    x : (batch, columns) float32, or `dtype`; y : (batch,) in the dtype of its column, int64 with `classes`; of a list
    of targets (batch, targets) in their common dtype.

    Parameters
    ----------
    path
        a path or fsspec URL; pandas knows the packing by its end, `.gz`, `.bz2`, `.zip`, `.xz` or `.zst`.
    target
        the column of the labels, or for regression a list of columns, one for each output: `["tip"]`; None where there
        are none.
    columns
        those of x, in their order; None: all but the target. All tables of a network have the same ones.
    classes
        the values of the target in the order of their labels 0, 1, ...: `["setosa", "versicolor", "virginica"]`. Where
        all are text, so is the column: `["007", "NA"]`.
    dtype
        of x: `"float32"`, `"float64"`, or for columns of whole numbers `"int64"`, which `nn.Embedding` takes, and
        `"uint8"` of images.
    shuffle, seed, take, shard
        as in `arrays`.

    Raises
    ------
    DataError
        when opened: no such file or column, no table, values that are missing, no numbers or none of `dtype`, or values
        that float32 does not tell apart, as seconds since 1970: names the column and the remedy.

    Examples
    --------
    >>> from akkordeon_dask import data
    >>> data.csv("/data/iris.csv", "species", classes=["setosa", "versicolor", "virginica"])
    data.csv('/data/iris.csv', 'species', classes=('setosa', 'versicolor', 'virginica'))
    """
    table = _table("csv", path, target, columns, classes, dtype)
    return Stored(table, shuffle=shuffle, seed=seed, take=take, shard=shard)


def parquet(
    path: str | os.PathLike[str],
    target: str | Sequence[str] | None,
    *,
    columns: Sequence[str] | None = None,
    classes: Sequence[str | int | float] | None = None,
    dtype: Dtype = "float32",
    shuffle: bool = True,
    seed: int = 0,
    take: int | None = None,
    shard: tuple[int, int] | None = None,
) -> Provider:
    """A table of numbers in a Parquet file, or in a folder of them, read by pandas and pyarrow where the sentinel runs.

    All is as in `csv`. With `columns` no others are read. An index that pandas wrote is no column of x unless `columns`
    names it. For tables larger than a worker's memory see Dask's `read_parquet`.

    Examples
    --------
    >>> from akkordeon_dask import data
    >>> data.parquet("s3://bucket/taxi.parquet", ["tip"], columns=["distance", "passengers"])
    data.parquet('s3://bucket/taxi.parquet', ('tip',), columns=('distance', 'passengers'))
    """
    table = _table("parquet", path, target, columns, classes, dtype)
    return Stored(table, shuffle=shuffle, seed=seed, take=take, shard=shard)


@dataclass(frozen=True)
class _Table:
    kind: Literal["csv", "parquet"]
    path: str
    target: str | tuple[str, ...] | None
    columns: tuple[str, ...] | None
    classes: tuple[str | int | float, ...] | None
    dtype: str

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    @property
    def call(self) -> tuple[str, list[str]]:
        said = [repr(self.path), repr(self.target)]
        for name in ("columns", "classes"):
            if getattr(self, name) is not None:
                said.append(f"{name}={getattr(self, name)!r}")
        if self.dtype != "float32":
            said.append(f"dtype={self.dtype!r}")
        return self.kind, said

    def read(self) -> Samples:
        frame = self._frame()
        if not len(frame):
            raise DataError(f"{self.path} has no rows: give at least one")
        frame.columns = [str(name) for name in frame.columns]
        columns = list(frame.columns) if self.columns is None else list(self.columns)
        if self.kind == "csv" and self.columns is None and _are_values(columns):
            raise DataError(
                f"{self.path} begins with the numbers {_some(columns)} instead of the names of columns: write "
                f"those into its first line; where they are the names, say so, columns={columns!r:.200}"
            )
        self._check_columns(frame, [*columns, *self._targets])
        if self.columns is None and columns[0] == _INDEX:
            raise DataError(
                f"the first column of {self.path} has no name, as the numbers of rows that to_csv writes: write it by "
                f"to_csv(path, index=False), or say which columns to read, columns={columns[1:]!r:.200}"
            )
        features = [name for name in columns if name not in self._targets]
        if not features:
            raise DataError(f"{self.path} has no column beside its target {self.target!r}: x needs one at least")
        x = np.empty((len(frame), len(features)), self.dtype)
        for index, name in enumerate(features):
            x[:, index] = self._values(frame[name], name)
        names = ColumnNames.named(features, self._targets)
        return Samples(x, None if self.target is None else self._y(frame), names)

    @property
    def _targets(self) -> tuple[str, ...]:
        return (self.target,) if isinstance(self.target, str) else self.target or ()

    def _frame(self) -> Any:
        try:
            if self.kind == "csv":
                texts = self.classes is not None and all(isinstance(one, str) for one in self.classes)
                return read_csv(self.path, self.target if texts and isinstance(self.target, str) else None)
            names = [*dict.fromkeys((self.columns or ()) + self._targets)]
            return _with_levels(read_parquet(self.path, None if self.columns is None else names), names)
        except DataError:
            raise
        except ImportError as error:
            raise DataError(f"{self.path} is read by pandas, and Parquet by pyarrow: install both ({error})") from error
        except Exception as error:
            raise DataError(f"{self.path} cannot be read as {self.kind}: {error}") from error

    def _check_columns(self, frame: Any, names: list[str]) -> None:
        there = list(frame.columns)
        for name in names:
            if name not in there:
                raise DataError(f"{self.path} has no column {name!r}, but {_some(there)}")
            if there.count(name) > 1:
                raise DataError(f"{self.path} has {there.count(name)} columns {name!r}: give each a name of its own")

    def _numbers(self, column: Any, name: str) -> Array:
        if missing := int(np.count_nonzero(column.isna())):
            raise DataError(
                f"column {name!r} of {self.path}: {missing:,} of {len(column):,} values are missing: fill them or "
                "drop their rows, or leave the column out, columns=[...]"
            )
        return as_numbers(f"column {name!r} of {self.path}", column)

    def _values(self, column: Any, name: str) -> Array:
        values = self._numbers(column, name)
        if np.dtype(self.dtype).kind == "f":
            return self._rounded(values, name)
        with np.errstate(invalid="ignore"):  # of infinite ones, and of those that are too large
            there = values.astype(self.dtype)
        if len(others := np.flatnonzero(there != values)):
            raise DataError(
                f"column {name!r} of {self.path} has {values[others[0]]}, which is no {self.dtype}: leave it out, "
                'columns=[...], or give dtype="float32"'
            )
        return there

    def _rounded(self, values: Array, name: str) -> Array:
        """The values in `dtype`, which still tells them apart."""
        exact = values.astype(np.float64)
        with np.errstate(over="ignore"):
            there: Array = exact.astype(self.dtype)
        finite = exact[np.isfinite(exact)]
        rounded = there[np.isfinite(exact)].astype(np.float64)
        if not len(finite):
            return there
        scale = np.abs(finite).max() or 1.0
        errors, spread = np.abs(finite - rounded) / scale, (finite / scale).std()
        worst = int(errors.argmax())
        if np.isinf(rounded[worst]) or errors[worst] > _COARSE * spread > _EQUAL:
            raise DataError(
                f"column {name!r} of {self.path}: {self.dtype} makes {rounded[worst]:.17g} of {finite[worst]:.17g}, "
                f'and the standard deviation of its values is {spread * scale:.2g}: give dtype="float64", subtract '
                "their mean before, or leave the column out, columns=[...]"
            )
        return there

    def _y(self, frame: Any) -> Array:
        if self.classes is not None:
            return self._labels(frame[self.target])
        columns = [self._numbers(frame[name], name) for name in self._targets]
        return np.array(columns[0]) if isinstance(self.target, str) else np.stack(columns, axis=1)

    def _labels(self, column: Any) -> Array:
        assert self.classes is not None
        codes = {value: code for code, value in enumerate(self.classes)}
        values = column.tolist()
        if others := {repr(value) for value in values if value not in codes}:
            raise DataError(
                f"column {self.target!r} of {self.path} has {_some(sorted(others))}, which is in none of "
                f"classes={list(self.classes)!r}"
            )
        return np.array([codes[value] for value in values], np.int64)


def _table(
    kind: Literal["csv", "parquet"],
    path: str | os.PathLike[str],
    target: str | Sequence[str] | None,
    columns: Sequence[str] | None,
    classes: Sequence[str | int | float] | None,
    dtype: Dtype,
) -> _Table:
    if dtype not in get_args(Dtype):
        raise DataError(f"dtype={dtype!r}: give one of {', '.join(map(repr, get_args(Dtype)))}")
    if not (target is None or isinstance(target, str | Sequence)):
        raise DataError(f"target={target!r}: give the name of a column, a list of some, or None")
    listed = None if isinstance(target, str) else target
    for label, value in (("target", listed), ("columns", columns), ("classes", classes)):
        if value is not None and (isinstance(value, str) or not isinstance(value, Sequence) or not value):
            raise DataError(f"{label}={value!r}: give a list of at least one")
        if value is not None and len(set(value)) < len(value):
            raise DataError(f"{label}={value!r} has one of them twice: give each once")
    if listed is not None and classes is not None:
        raise DataError(f"classes={classes!r} are of one column, and target={listed!r} is a list: give a name alone")
    its = target if target is None or isinstance(target, str) else tuple(target)
    names, known = None if columns is None else tuple(columns), None if classes is None else tuple(classes)
    return _Table(kind, file_name("path", path), its, names, known, dtype)


def _with_levels(frame: Any, names: list[str]) -> Any:
    """A frame with columns of those levels of its index that are named: `set_index` of pandas made an index of them."""
    levels = [name for name in frame.index.names if name in names and name not in frame.columns]
    return frame.reset_index(level=levels) if levels else frame


def _are_values(names: list[str]) -> bool:
    """Whether all names are numbers, and not 0, 1, 2, ..., by which frames without names count their columns."""
    try:
        numbers = [float(name) for name in names]
    except ValueError:
        return False
    return numbers != list(range(len(numbers)))


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
