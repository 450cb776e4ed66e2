"""What every loss and every score is."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from akkordeon_dask._repr import Written
from akkordeon_dask.errors import SpecError
from akkordeon_dask.tree import Array

__all__ = ["Loss", "Score", "ScoreState", "Targets"]

Targets: TypeAlias = Literal["labels", "values"]
"""`"labels"`: one whole number a sample, the column of its class; `"values"`: one number for each output."""

ScoreState: TypeAlias = tuple[Any, ...]
"""What a score keeps of the samples it has seen: numbers, and tuples of them."""


@dataclass(frozen=True, repr=False)
class Score(Written, ABC):
    """A frozen value that rates predictions. What a pass reports is of all its samples at once.

    A score that is a mean over samples, as accuracy is, overrides `__call__`, the mean over one batch; a pass reports
    the mean of its batches, each weighted with its samples.

    A score that is no mean over samples (R2, RMSE, F1, AUC, a confusion matrix) must not be written that way: the mean
    of the R2 of many small batches is not the R2 of all their samples, and is another number for every batch
    size. Such a score overrides `update`, which counts what it needs of one batch, `merge`, which joins two of these
    states, and `result`, which makes the score of a state. `merge` adds two states number by number unless it is
    overridden: that is right for counts and sums.

    Most scores are better the higher they are, but not all: `nn.RMSE` is an error, and `nn.R2` has no lower bound. What
    is reported is the value itself; nothing is chosen or stopped by it.

    Examples
    --------
    F1 of one yes-or-no output, from three counts:

    >>> from dataclasses import dataclass
    >>> from akkordeon_dask import nn
    >>> @dataclass(frozen=True, repr=False)
    ... class F1(nn.Score):
    ...     @property
    ...     def name(self):
    ...         return "f1"
    ...
    ...     def update(self, y, target):
    ...         told, true = y > 0, target > 0.5
    ...         return (told & true).sum(), told.sum(), true.sum()
    ...
    ...     def result(self, state):
    ...         both, told, true = state
    ...         return 2 * both / (told + true) if told + true else 0.0
    """

    namespace: ClassVar[str] = "nn."
    targets: ClassVar[Targets | None] = None
    """What it compares outputs with; None: it does not say, and goes with every loss."""

    def __new__(cls, *args: Any, **options: Any) -> "Score":
        """A score says what it does with a batch (SpecError)."""
        if cls.__call__ is Score.__call__ and cls.update is Score.update:
            raise SpecError(f"{cls.__name__} is no score yet: override __call__, or update, merge and result")
        return super().__new__(cls)

    @property
    @abstractmethod
    def name(self) -> str:
        """The key of this score in reports: `"accuracy"`."""

    def __call__(self, y: Array, target: Array) -> float:
        """The score of one batch alone.

        Raises
        ------
        DataError
            when the targets do not fit the outputs.
        """
        return self.result(self.update(y, target))

    def update(self, y: Array, target: Array) -> ScoreState:
        """The state of one batch alone. Its numbers may be numpy's; they are kept as Python's."""
        return float(self(y, target)) * len(y), len(y)

    def merge(self, one: ScoreState, other: ScoreState) -> ScoreState:
        """The state of the samples of both, in any order."""
        return _added(one, other)

    def result(self, state: ScoreState) -> float:
        """The score of all samples of a state; NaN where they have none."""
        total, samples = state
        return float(total / samples) if samples else math.nan


@dataclass(frozen=True, repr=False)
class Loss(Written, ABC):
    """A frozen value that compares a batch of outputs with their targets."""

    namespace: ClassVar[str] = "nn."
    targets: ClassVar[Targets | None] = None
    """What it compares outputs with; None: it does not say, and goes with every score."""
    default_scores: ClassVar[tuple[Score, ...]] = ()
    """What a sentinel with this loss reports where its `scores` are not written."""

    def suits(self, score: Score) -> bool:
        """No targets are known to fit one of the two and not the other.

        What a class inherits does not count, for it may have other targets than its base: a user's own loss or score
        goes with all, unless its class itself has `targets`.
        """
        said = {vars(type(value)).get("targets") for value in (self, score)}
        return said != set(get_args(Targets))

    @abstractmethod
    def __call__(self, y: Array, target: Array, *, need_dy: bool = True) -> tuple[float, Array | None]:
        """`(loss, dy)`: the mean over the batch, and its gradient by `y` (None unless `need_dy`).

        Neither argument is written into; `dy` is a new array of the shape and dtype of `y`.

        Raises
        ------
        DataError
            when the targets do not fit the outputs.
        """


def _added(one: ScoreState, other: ScoreState) -> ScoreState:
    pairs = zip(one, other, strict=True)
    return tuple(_added(a, b) if isinstance(a, tuple) else a + b for a, b in pairs)
