"""The names of the columns that features and targets come from."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from akkordeon_dask.data._foreign import column_names
from akkordeon_dask.errors import DataError

__all__ = ["ColumnNames"]


class ColumnNames(NamedTuple):
    """The names of the columns of x and y, by position; None where they have none, or none that is known.

    Columns become numbers of a sample by their position, so all data of a network have the same ones.

    Examples
    --------
    >>> from akkordeon_dask import data
    >>> data.ColumnNames(("width", "length")).fits(data.ColumnNames(("length", "width")))
    False
    """

    x: tuple[str, ...] | None = None
    """Of the features."""
    y: tuple[str, ...] | None = None
    """Of the targets, where there are several."""

    @classmethod
    def of(cls, x: object, y: object = None) -> "ColumnNames":
        """Those of two values as users pass them: frames of pandas or polars and tables of pyarrow have names."""
        return cls.named(column_names(x), column_names(y))

    @classmethod
    def named(cls, x: Iterable[object] | None, y: Iterable[object] | None = None) -> "ColumnNames":
        """Those of two lists of names; 0, 1, 2 ..., by which frames count their columns, name nothing."""
        features, targets = _texts(x), _texts(y)
        return cls(features, targets if targets is not None and len(targets) > 1 else None)

    @classmethod
    def said(cls, value: object) -> "ColumnNames":
        """Those that a source says by its `columns`; one that says others may mean something else by that."""
        return cls.named(value.x, value.y) if isinstance(value, ColumnNames) else cls()

    def fits(self, known: "ColumnNames") -> bool:
        """These are the columns that are `known`, in their order, as far as both have names."""
        return not any(self._conflicts(known))

    def _conflicts(self, known: "ColumnNames") -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        for side, its, other in (("x", self.x, known.x), ("y", self.y, known.y)):
            if its is not None and other is not None and its != other:
                yield side, its, other

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
        for side, its, other in self._conflicts(known):
            raise DataError(
                f"{label}: {_difference(side, its, other)} in other data of this network: columns count by their "
                "position, so give the same ones in the same order, frame[[...]] or columns=[...]; where only the "
                "names differ, rename them, or give an array, frame.to_numpy()"
            )


def _texts(names: Iterable[object] | None) -> tuple[str, ...] | None:
    given = list(names) if names is not None else []
    if not given or not all(_is_text(name) for name in given):
        return None
    texts = tuple(map(str, given))
    return None if texts == tuple(map(str, range(len(texts)))) else texts


def _is_text(name: object) -> bool:
    """It is text, or several of them, as a column has on several levels."""
    return isinstance(name, str) or (isinstance(name, tuple) and all(isinstance(part, str) for part in name))


def _difference(side: str, its: tuple[str, ...], other: tuple[str, ...]) -> str:
    for number, (one, another) in enumerate(zip(its, other, strict=False), 1):
        if one != another:
            return f"column {number} of {side} is {one!r:.80}, and it was {another!r:.80}"
    return f"{side} has {len(its)} columns, and it had {len(other)}"
