"""A table of sentinels with their newest passes."""

from collections.abc import Iterator, Mapping

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table

from akkordeon_dask.messages import Mode, PassReport
from akkordeon_dask.network import Sentinel

__all__ = ["PassTable"]

_ORDER: tuple[Mode, ...] = ("train", "validate", "test", "predict")
_BAR = 20
_NOTHING = ""


class PassTable:
    """What rich draws: a row a sentinel with the figures of its newest pass; training sentinels come first.

    Parameters
    ----------
    sentinels
        by name; one that is not among them gets its row with its first pass.
    epochs
        passes that each training sentinel shall make; None: as it was written.
    """

    def __init__(self, sentinels: Mapping[str, Sentinel], epochs: int | None = None) -> None:
        self._modes: dict[str, Mode] = {name: sentinel.mode for name, sentinel in sentinels.items()}
        self._epochs = {
            name: epochs or sentinel.epochs for name, sentinel in sentinels.items() if sentinel.mode == "train"
        }
        self._newest: dict[str, PassReport] = {}
        self._scores: dict[str, None] = {}

    def add(self, report: PassReport) -> None:
        """Show this pass from now on."""
        self._modes.setdefault(report.sentinel, report.mode)
        self._newest[report.sentinel] = report
        self._scores |= dict.fromkeys(report.scores)

    def __rich__(self) -> Table:
        table = Table()
        table.add_column("sentinel", no_wrap=True)
        table.add_column("mode")
        for label in ("epoch", "loss", *self._scores, "samples/s", "seconds"):
            table.add_column(label, justify="right", no_wrap=True)
        table.add_column("progress")
        for name in sorted(self._modes, key=lambda name: _ORDER.index(self._modes[name])):
            table.add_row(name, self._modes[name], *self._figures(name), self._progress(name))
        return table

    def _figures(self, name: str) -> Iterator[str]:
        report = self._newest.get(name)
        if report is None:
            yield from [_NOTHING] * (4 + len(self._scores))
            return
        yield str(report.epoch)
        yield f"{report.loss:.6f}"
        for score in self._scores:
            yield f"{report.scores[score]:.6f}" if score in report.scores else _NOTHING
        yield f"{report.samples_per_s:,.0f}"
        yield f"{report.seconds:.3f}"

    def _progress(self, name: str) -> RenderableType:
        epochs = self._epochs.get(name)
        if epochs is None:
            return _NOTHING
        done = self._newest[name].epoch if name in self._newest else 0
        return ProgressBar(total=epochs, completed=done, width=_BAR)
