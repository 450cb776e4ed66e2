"""Frames out of CSV and Parquet files, by pandas."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import fsspec

from akkordeon_dask.errors import DataError

if TYPE_CHECKING:
    import pandas

__all__ = ["read_csv", "read_parquet"]


def read_csv(path: str, text: str | None = None) -> "pandas.DataFrame":
    """The frame of a CSV file, its columns under the names of the header; the column `text` is as it is written.

    Raises
    ------
    DataError
        where rows have more fields than the header has names: pandas would take the first ones for an index.
    """
    import pandas  # an optional dependency

    frame = pandas.read_csv(path)
    if not frame.index.equals(pandas.RangeIndex(len(frame))):  # else they count the rows at most
        fields, names = frame.shape[1] + frame.index.nlevels, frame.shape[1]
        raise DataError(
            f"{path} has rows of {fields} fields and a header of {names} names: give each column a name, and end no "
            "row with a comma"
        )
    if text in frame.columns and not all(isinstance(one, str) for one in frame[text].tolist()):
        frame[text] = pandas.read_csv(path, usecols=[text], dtype=str, keep_default_na=False)[text]
    frame.columns = _named_in_header(path, list(frame.columns))
    return frame


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
    """The frame of a Parquet file, or of all files in a folder; with `columns` of those alone, if they are there.

    Raises
    ------
    DataError
        where two files of a folder have other columns: pyarrow would go by the first one.
    """
    import pandas

    _check_folder(path)
    try:
        return pandas.read_parquet(path, columns=None if columns is None else list(columns))
    except Exception:  # there is no such column, as a rule: whoever asked looks what there is
        return pandas.read_parquet(path)


def _check_folder(path: str) -> None:
    system, name = fsspec.core.url_to_fs(path)
    if not system.isdir(name):
        return
    from pyarrow import dataset

    first: Any = None
    for one in dataset.dataset(name, filesystem=system, format="parquet").get_fragments():
        first = first or one
        if other := set(one.physical_schema.names) ^ set(first.physical_schema.names):
            raise DataError(
                f"{path}: {one.path} and {first.path} do not have the same columns: one of them lacks {min(other)!r}: "
                "write it into all files, or read files apart"
            )
