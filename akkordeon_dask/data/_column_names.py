"""The names of the columns that features and targets come from."""

from typing import Any, NamedTuple

from akkordeon_dask.data._foreign import column_names
from akkordeon_dask.errors import DataError

__all__ = ["ColumnNames"]


class ColumnNames(NamedTuple):
    """The names of the columns of x and y, by position; None where they have none, or none that is known.

    Columns become numbers of a sample by their position, so all data of a network have the same ones.

    Examples
    --------
    >>> from akkordeon_dask import data
    >>> data.ColumnNames(("width", "length")).check("x_test", data.ColumnNames(("length", "width")))
    Traceback (most recent call last):
    akkordeon_dask.errors.DataError: x_test: column 1 of x is 'width', and it was 'length' in earlier data of this ...
    """

    x: tuple[str, ...] | None = None
    """Of the features."""
    y: tuple[str, ...] | None = None
    """Of the targets, where there are several."""

    @classmethod
    def of(cls, x: Any, y: Any = None) -> "ColumnNames":
        """Those of two values as users pass them: frames of pandas or polars and tables of pyarrow have names."""
        return cls.named(column_names(x), column_names(y))

    @classmethod
    def named(cls, x: Any, y: Any = None) -> "ColumnNames":
        """Those of two lists of names; one with numbers in it, by which frames count their columns, names nothing."""
        features, targets = _texts(x), _texts(y)
        return cls(features, targets if targets is not None and len(targets) > 1 else None)

    @classmethod
    def said(cls, value: object) -> "ColumnNames":
        """Those that a source says: its `columns`, or a list of those of x; others may mean something else by that."""
        if isinstance(value, ColumnNames):
            return value
        return cls.named(value) if isinstance(value, list | tuple) else cls()

    def joined(self, other: "ColumnNames") -> "ColumnNames":
        """These names, and those of `other` where these have none."""
        return ColumnNames(self.x or other.x, self.y or other.y)

    def check(self, label: str, known: "ColumnNames") -> None:
        """Check that these are the columns that are `known`, in their order, as far as both have names.

        Raises
        ------
        DataError
            when they are not: names the first column that differs.
        """
        for side, its, earlier in (("x", self.x, known.x), ("y", self.y, known.y)):
            if its is not None and earlier is not None and its != earlier:
                raise DataError(
                    f"{label}: {_difference(side, its, earlier)} in earlier data of this network: columns count by "
                    "their position, so give the same ones in the same order, frame[[...]] or columns=[...]; where "
                    "only the names differ, rename them, or give an array, frame.to_numpy()"
                )


def _texts(names: Any) -> tuple[str, ...] | None:
    texts = tuple(names) if names is not None else ()
    return texts if texts and all(isinstance(name, str) for name in texts) else None


def _difference(side: str, its: tuple[str, ...], earlier: tuple[str, ...]) -> str:
    for number, (one, other) in enumerate(zip(its, earlier, strict=False), 1):
        if one != other:
            return f"column {number} of {side} is {one!r:.80}, and it was {other!r:.80}"
    return f"{side} has {len(its)} columns, and it had {len(earlier)}"
