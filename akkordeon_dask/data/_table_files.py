"""Frames out of CSV and Parquet files, by pandas."""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import fsspec

from akkordeon_dask.errors import DataError

if TYPE_CHECKING:
    import pandas

__all__ = ["read_csv", "read_parquet"]

_INDEX_LEVEL = "__index_level_"
"""Names that pandas gives to the levels of an index begin so."""


def read_csv(path: str, text: str | None = None) -> "pandas.DataFrame":
    """The frame of a CSV file, its columns under the names of the header; the column `text` is as it is written.

    Raises
    ------
    DataError
        where rows have more fields than the header has names: pandas would take the first ones for an index.
    """
    import pandas  # an optional dependency

    frame = pandas.read_csv(path)
    if not _counts_rows(path, frame):
        fields, names = frame.shape[1] + frame.index.nlevels, frame.shape[1]
        raise DataError(
            f"{path} has rows of {fields} fields and a header of {names} names: give each column a name, and end no "
            "row with a comma"
        )
    if text in frame.columns and not all(isinstance(one, str) for one in frame[text].tolist()):
        frame[text] = pandas.read_csv(path, usecols=[text], dtype=str, keep_default_na=False)[text]
    frame.columns = _named_in_header(path, list(frame.columns))
    return frame


def _counts_rows(path: str, frame: "pandas.DataFrame") -> bool:
    """Whether its index numbers the rows, by pandas or as the file has it in front, and no column is shifted."""
    import pandas

    if not frame.index.equals(pandas.RangeIndex(len(frame))):
        return False
    if frame.empty or not frame.iloc[:, -1].isna().all():
        return True
    with warnings.catch_warnings():  # that rows are longer than the header
        warnings.simplefilter("ignore")
        return bool(pandas.read_csv(path, index_col=False).equals(frame))


def _named_in_header(path: str, names: list[str]) -> list[str]:
    """The names as they are written: of two columns `y`, pandas calls the second one `y.1`."""
    if not any(_before_number(name) in names for name in names):
        return names
    import pandas

    header = pandas.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0].tolist()
    return [written if written == _before_number(name) else name for written, name in zip(header, names, strict=True)]


def _before_number(name: str) -> str | None:
    """`y` of `y.1`."""
    before, point, number = name.rpartition(".")
    return before if point and number.isdigit() else None


def read_parquet(path: str, columns: Sequence[str] | None) -> "pandas.DataFrame":
    """The frame of a Parquet file, or of all files in a folder; of these `columns` alone, if all are there.

    Numbers of several types in the files of a folder have one that holds them all.

    Raises
    ------
    DataError
        where two files of a folder have other columns, or a column of numbers and one of text: pyarrow would go by the
        first one.
    """
    import pandas
    from pyarrow import dataset

    system, name = fsspec.core.url_to_fs(path)
    files = dataset.dataset(name, filesystem=system, format="parquet", partitioning="hive")
    parts = list(files.get_fragments())
    _check_columns(path, parts)
    known = columns is not None and set(columns) <= set(files.schema.names)  # else whoever asked looks what there is
    schema = _common_schema(path, files.schema, parts)
    return pandas.read_parquet(
        path, columns=list(columns or ()) if known else None, **({} if schema is None else {"schema": schema})
    )


def _check_columns(path: str, parts: list[Any]) -> None:
    for one in parts:
        if other := _names(one) ^ _names(parts[0]):
            raise DataError(
                f"{path}: {one.path} and {parts[0].path} do not have the same columns: one of them lacks "
                f"{min(other)!r}: write it into all files, or read files apart"
            )


def _names(part: Any) -> set[str]:
    """The columns of a file, without an index that pandas writes where rows are not numbered from 0."""
    return {name for name in part.physical_schema.names if not name.startswith(_INDEX_LEVEL)}


def _common_schema(path: str, first: Any, parts: list[Any]) -> Any:
    """The schema with a type for each column that holds the values of all files; None: it is that of the first one."""
    common = first
    for one in parts:
        for name in _names(one):
            before, its = common.field(name), one.physical_schema.field(name)
            if (both := _common_field(before, its)) is None:
                raise DataError(
                    f"{path}: column {name!r} holds {its.type} in {one.path}, and {before.type} in {parts[0].path}: "
                    "write it as one type into all files, or read files apart"
                )
            common = common.set(common.get_field_index(name), both)
    return None if common.equals(first) else common


def _common_field(one: Any, other: Any) -> Any:
    """A column of a type that holds the values of both, truth values as 0 and 1; None: there is none."""
    import pyarrow

    if one.type != other.type:
        one, other = (
            field.with_type(pyarrow.int8()) if pyarrow.types.is_boolean(field.type) else field for field in (one, other)
        )
    try:
        schemas = [pyarrow.schema([field]) for field in (one, other)]
        return pyarrow.unify_schemas(schemas, promote_options="permissive").field(0)
    except pyarrow.ArrowTypeError:
        return None
