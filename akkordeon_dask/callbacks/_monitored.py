"""Callbacks that monitor one figure of passes."""

import math
from collections.abc import Mapping
from typing import ClassVar, Literal, get_args

from akkordeon_dask._numbers import keep_number
from akkordeon_dask._repr import Written
from akkordeon_dask.callbacks._callback import Callback, Training
from akkordeon_dask.errors import SpecError
from akkordeon_dask.messages import PassReport

__all__ = ["Direction", "Monitored"]

Direction = Literal["auto", "min", "max"]


class Monitored(Written, Callback):
    """A callback that monitors a figure: the base class of those here, dataclasses that have these fields.

    Attributes
    ----------
    monitor
        the name of a sentinel, a dot, and `loss` or the name of a score: `"validate0.loss"`, `"validate0.accuracy"`.
    min_delta
        an improvement is greater than this, at least 0, in the figure's unit.
    mode
        `"min"`: less is better; `"max"`: more is; `"auto"`: as the loss or the score says.
    best
        the best value so far; NaN before the first one.

    Raises
    ------
    SpecError
        when a field is not as above; by `check`, when no pass reports the figure.

    Examples
    --------
    A callback of your own:

    >>> from dataclasses import dataclass
    >>> from akkordeon_dask import callbacks
    >>> @dataclass(eq=False, repr=False)
    ... class PrintBest(callbacks.Monitored):
    ...     monitor: str
    ...     min_delta: float = 0.0
    ...     mode: str = "auto"
    ...
    ...     async def on_pass(self, report, training):
    ...         value = self.value(report)
    ...         if value is not None and self.improves(value, training):
    ...             print(report.epoch, value)
    >>> PrintBest("validate0.loss")
    callbacks.PrintBest('validate0.loss')
    """

    namespace: ClassVar[str] = "callbacks."

    monitor: str
    min_delta: float
    mode: Direction
    best: float = math.nan

    def __post_init__(self) -> None:
        if not isinstance(self.monitor, str) or "." not in self.monitor:
            raise SpecError(f"monitor is a sentinel's name and a figure, e.g. 'validate0.loss', not {self.monitor!r}")
        if self.mode not in get_args(Direction):
            raise SpecError(f"mode is one of {', '.join(get_args(Direction))}, not {self.mode!r}")
        keep_number(self, "min_delta", least=0)

    def begin(self) -> None:
        self.best = math.nan

    def check(self, figures: Mapping[str, bool]) -> None:
        """Check that the figure is there.

        Raises
        ------
        SpecError
            when it is not: lists those there are.
        """
        if self.monitor not in figures:
            known = ", ".join(figures) or "none: attach a sentinel first"
            raise SpecError(f"{self!r}: no sentinel reports {self.monitor!r}, there are {known}")

    def value(self, report: PassReport) -> float | None:
        """The figure, if the pass is one that reports it."""
        sentinel, _, figure = self.monitor.partition(f"{report.sentinel}.")
        if sentinel or not figure:
            return None
        return report.loss if figure == "loss" else report.scores.get(figure)

    def improves(self, value: float, training: Training) -> bool:
        """Whether a value is better than all before; then it is the best one. NaN never is."""
        greater = training.figures().get(self.monitor, False) if self.mode == "auto" else self.mode == "max"
        gain = value - self.best if greater else self.best - value
        better = not math.isnan(value) and (math.isnan(self.best) or gain > self.min_delta)
        if better:
            self.best = value
        return better
