"""Frames out of CSV and Parquet files, by pandas."""

import warnings
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

    Raises
    ------
    DataError
        where two files of a folder have other columns: pyarrow would go by the first one.
    """
    import pandas
    from pyarrow import dataset

    system, name = fsspec.core.url_to_fs(path)
    files = dataset.dataset(name, filesystem=system, format="parquet")
    _check_columns(path, list(files.get_fragments()))
    known = columns is not None and set(columns) <= set(files.schema.names)  # else whoever asked looks what there is
    return pandas.read_parquet(path, columns=list(columns or ()) if known else None)


def _check_columns(path: str, parts: list[Any]) -> None:
    for one in parts:
        if other := set(one.physical_schema.names) ^ set(parts[0].physical_schema.names):
            raise DataError(
                f"{path}: {one.path} and {parts[0].path} do not have the same columns: one of them lacks "
                f"{min(other)!r}: write it into all files, or read files apart"
            )
