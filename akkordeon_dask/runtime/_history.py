"""Finished passes."""

from typing import TYPE_CHECKING, SupportsIndex, overload

from akkordeon_dask._html import html_table
from akkordeon_dask.errors import ReportError
from akkordeon_dask.messages import PassReport
from akkordeon_dask.telemetry import PASS_COLUMNS, PASS_NUMBERS, pass_cells

if TYPE_CHECKING:  # pandas is optional
    from pandas import DataFrame

__all__ = ["History"]

_SHOWN = 50
_FIELDS = tuple(name for name in PassReport("", "train", 1, 0.0, {}, 0, 0, 0.0, 0).as_dict() if name != "key")


class History(tuple[PassReport, ...]):
    """Finished passes in the order they ended: a tuple of `PassReport`, whose slices are of this kind too."""

    __slots__ = ()

    def to_frame(self) -> "DataFrame":
        """A `pandas.DataFrame` with a row for each pass.

        Its columns are those of `PassReport.as_dict`, and for each score one instead of `scores`: `accuracy`, or
        `score_loss` where a score has the name of another column. A pass without a score has NaN there.

        Raises
        ------
        ReportError
            when pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise ReportError(f"to_frame needs pandas ({error}): pip install pandas") from error
        labels = {name: f"score_{name}" if name in _FIELDS else name for report in self for name in report.scores}
        rows = [report.as_dict() | {labels[name]: value for name, value in report.scores.items()} for report in self]
        place = _FIELDS.index("scores")
        return DataFrame(rows, columns=[*_FIELDS[:place], *labels.values(), *_FIELDS[place + 1 :]])

    def _repr_html_(self) -> str:
        newest = self[-_SHOWN:]
        title = f"<b>{len(self):,} passes</b>" + (f", the newest {_SHOWN} first" if len(self) > _SHOWN else "")
        table = html_table(PASS_COLUMNS, map(pass_cells, reversed(newest)), PASS_NUMBERS) if newest else ""
        return f"<div>{title}\n{table}</div>"

    @overload
    def __getitem__(self, index: SupportsIndex) -> PassReport: ...
    @overload
    def __getitem__(self, index: slice) -> "History": ...
    def __getitem__(self, index: SupportsIndex | slice) -> "PassReport | History":
        return History(super().__getitem__(index)) if isinstance(index, slice) else super().__getitem__(index)
