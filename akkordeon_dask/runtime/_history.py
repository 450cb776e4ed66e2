"""Finished passes."""

import threading
import time
from typing import TYPE_CHECKING, NamedTuple, SupportsIndex, overload

from akkordeon_dask._html import html_table
from akkordeon_dask.console import pass_table
from akkordeon_dask.errors import ReportError
from akkordeon_dask.messages import PassReport
from akkordeon_dask.telemetry import PASS_COLUMNS, PASS_NUMBERS, PassLog, pass_cells

if TYPE_CHECKING:  # pandas is optional, and bokeh takes its time
    from bokeh.plotting import figure
    from pandas import DataFrame

__all__ = ["FinishedPasses", "History"]

_SHOWN = 50
_FIELDS = tuple(PassReport("", "train", 1, 0.0, {}, 0, 0, 0.0, 0).as_row())


class History(tuple[PassReport, ...]):
    """Finished passes in the order they ended: a tuple of `PassReport`, whose slices and sums are of this kind too.

    Examples
    --------
    >>> reports = [PassReport("train0", "train", epoch, 0.5 / epoch, {}, 60_000, 0, 2.0, 0) for epoch in (1, 2)]
    >>> [report.loss for report in History(reports)[-1:]]
    [0.25]
    """

    __slots__ = ()

    def to_frame(self) -> "DataFrame":
        """A `pandas.DataFrame` with a row for each pass.

        Its columns are those of `PassReport.as_row`, and for each score one instead of `scores`: `accuracy`, or
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
        rows = [report.as_row() | {labels[name]: value for name, value in report.scores.items()} for report in self]
        at = _FIELDS.index("scores")
        return DataFrame(rows, columns=[*_FIELDS[:at], *labels.values(), *_FIELDS[at + 1 :]])

    def plot(self, what: str = "loss", *, x: str = "epoch") -> "figure":
        """A Bokeh figure with a curve for each sentinel: show it with `bokeh.io.show`, or put it into a layout.

        Parameters
        ----------
        what
            `"loss"`, or `"scores"`: all of them.
        x
            `"epoch"`, the number of the pass; `"elapsed"`, seconds since the deployment; `"updates"` or
            `"samples_trained"` of the network.

        Raises
        ------
        SpecError
            when there are no such curves, or no such axis.
        """
        from akkordeon_dask.dashboard._history_plot import plot_passes

        return plot_passes(self, what, x)

    def __str__(self) -> str:
        """A table of the newest passes, the last one below."""
        newest = self[-_SHOWN:]
        title = f"{len(self):,} passes" + (f", the newest {_SHOWN}" if len(self) > _SHOWN else "")
        return "\n".join((title, pass_table(newest))) if newest else title

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

    def __add__(self, other: tuple[PassReport, ...]) -> "History":  # type: ignore[override]  # tuples add anything
        return History((*self, *other))


_EACH, _ALL = 10_000, 20_000
"""Passes that a history keeps, of one sentinel and of all: some 20 MB."""


class _Entry(NamedTuple):
    report: PassReport
    mine: bool
    """Of a sentinel that this client attached."""


class FinishedPasses:
    """The passes of a network's sentinels, as this client learns of them.

    Only the client's event loop adds to them. A progress display reads, in a thread of its own, those that were not
    shown yet.
    """

    def __init__(self) -> None:
        self.others: set[tuple[str, int]] = set()
        """Passes of other clients' sentinels, each as the prefix of their actors' keys and the pass's number, where it
        counts, and as the key and that number."""
        self._names: dict[str, str] = {}
        """Sentinels of other clients, by the prefix of their actors' keys."""
        self._all, self._mine = PassLog(_EACH, _ALL), PassLog(_EACH, _ALL)
        self._begun = time.time()
        self._unshown: list[_Entry] = []
        self._lock = threading.Lock()
        """Held while the logs and `_unshown` are read or changed."""

    def add(self, report: PassReport) -> None:
        """Add a pass of this client's sentinels."""
        self._add(_Entry(report, mine=True))

    def add_other(self, base: str, report: PassReport) -> bool:
        """Add a pass of another client's sentinel; False: it is known already, perhaps from an earlier incarnation."""
        own, of_all = (report.key, report.epoch), (base, report.epoch)
        if (own if report.rolled_back else of_all) in self.others:
            return False
        self.others |= {own} if report.rolled_back else {own, of_all}
        self._names[base] = report.sentinel
        self._add(_Entry(report, mine=False))
        return True

    def _add(self, entry: _Entry) -> None:
        with self._lock:
            self._all.append(entry.report)
            if entry.mine:
                self._mine.append(entry.report)
            self._unshown.append(entry)
            del self._unshown[: -_ALL - 1]  # nobody shows them

    def roll_back(self, sentinel: str, finished: int) -> None:
        """Mark the training passes of a sentinel after its first `finished` ones: they are made again."""
        with self._lock:
            marked = [*self._all.roll_back(sentinel, finished), *self._mine.roll_back(sentinel, finished)]
        again = {(one.sentinel, one.epoch) for one in marked}
        self.others = {known for known in self.others if (self._names.get(known[0]), known[1]) not in again}

    def history(self, *, mine: bool = False) -> History:
        """The passes in the order they became known here, or those of this client's sentinels; old ones are thinned."""
        with self._lock:
            return History((self._mine if mine else self._all)[:])

    def since(self, seen: int, *, mine: bool = False) -> tuple[list[PassReport], int]:
        """The passes after the first `seen`, and how many there have been by now. Any thread."""
        with self._lock:
            log = self._mine if mine else self._all
            return log[max(0, len(log) - (log.seen - seen)) :], log.seen

    def take_unshown(self, *, mine: bool = False) -> list[PassReport]:
        """Return each pass to one caller only; those of others from before this client connected to none.

        In any thread.
        """
        with self._lock:
            new = [one for one in self._unshown if one.mine or not mine]
            self._unshown = [one for one in self._unshown if mine and not one.mine]
        return [one.report for one in new if one.mine or one.report.ended >= self._begun]
