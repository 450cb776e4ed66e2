"""The base classes of all losses and scores."""

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np

from akkordeon_dask._repr import Written
from akkordeon_dask.errors import DataError, SpecError
from akkordeon_dask.tree import Array

__all__ = ["Loss", "Score", "ScoreState", "Targets", "applied_loss", "check_weights"]

Targets: TypeAlias = Literal["labels", "values"]
"""`"labels"`: one whole number a sample, the column of its class; `"values"`: one number for each output."""

ScoreState: TypeAlias = tuple[Any, ...]
"""A score's memory of the samples it has seen: numbers, bytes, and tuples of them."""


@dataclass(frozen=True, repr=False)
class Score(Written, ABC):
    """A frozen value that rates predictions. A pass reports the score of all its samples at once.

    A score that is a mean over samples, as accuracy is, overrides `__call__`, the mean over one batch; a pass reports
    the mean of its batches, each weighted with its samples.

    A score that is no mean over samples (R2, RMSE, F1, AUC, a confusion matrix) must not be written that way: the mean
    of the R2 of many small batches is not the R2 of all their samples, and is another number for every batch
    size. Such a score overrides `update`, which returns the counts or sums of one batch, `merge`, which joins two of
    these states, and `result`, which turns a state into the score. `merge` adds two states number by number unless it
    is overridden: that is right for counts and sums.

    Where the data have sample weights, `update` gets them as a third argument: a score whose `update` takes none is
    refused then. A score that overrides `__call__` alone is computed for each sample by itself, which is right for a
    mean and takes its time.

    Most scores are better the higher they are, but not all: `nn.RMSE` is an error, and says so by `greater_is_better`.

    Raises
    ------
    SpecError
        when a subclass that overrides neither `__call__` nor `update` is made.
    DataError
        by a call or `update`, when the targets do not fit the outputs.

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
    ...         said, true = y > 0, target > 0.5
    ...         return (said & true).sum(), said.sum(), true.sum()
    ...
    ...     def result(self, state):
    ...         both, said, true = state
    ...         return 2 * both / (said + true) if said + true else 0.0
    """

    namespace: ClassVar[str] = "nn."
    targets: ClassVar[Targets | None] = None
    """The kind of targets that it compares outputs with; None: not declared, the score goes with every loss."""
    greater_is_better: ClassVar[bool] = True
    """Of two values, the greater one is the better: what callbacks go by. False for errors."""
    running: ClassVar[bool] = True
    """The progress of a pass shows it, several times a second. False where `result` takes longer than a few
    milliseconds: it is computed at the end of the pass alone then."""

    def __new__(cls, *args: Any, **options: Any) -> "Score":
        """SpecError for a class that overrides neither `__call__` nor `update`."""
        if cls.__call__ is Score.__call__ and cls.update is Score.update:
            raise SpecError(f"{cls.__name__} is no score yet: override __call__, or update, merge and result")
        return super().__new__(cls)

    def __init_subclass__(cls) -> None:
        """A mean of its own has no use for the weighted mean that it would inherit."""
        if "__call__" in vars(cls) and "_weighted" not in vars(cls):
            cls._weighted = Score._weighted  # type: ignore[method-assign]

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

    @property
    def takes_weights(self) -> bool:
        """Whether `update` has an argument `weights`."""
        return _has_weights(type(self).update)

    def update(self, y: Array, target: Array, weights: Array | None = None) -> ScoreState:
        """The state of one batch alone. Its numbers may be numpy's; they are kept as Python's.

        Parameters
        ----------
        y, target
            as `__call__` takes them.
        weights : (batch,) float, above 0
            of the samples: a sample of weight 2 counts as two; None: all are 1.
        """
        if weights is None:
            return float(self(y, target)) * len(y), len(y)
        check_weights(self, weights, y)
        return self._weighted(y, target, weights)

    def _weighted(self, y: Array, target: Array, weights: Array) -> ScoreState:
        """The state of a mean over samples."""
        each = [self(y[i : i + 1], target[i : i + 1]) for i in range(len(y))]
        return float(np.dot(weights, each)), float(weights.sum())

    def merge(self, one: ScoreState, other: ScoreState) -> ScoreState:
        """The state of the samples of both, in any order."""
        return _added(one, other)

    def result(self, state: ScoreState) -> float:
        """The score of all samples of a state; NaN where they have none."""
        total, samples = state
        return float(total / samples) if samples else math.nan


@dataclass(frozen=True, repr=False)
class Loss(Written, ABC):
    """A frozen value that compares a batch of outputs with their targets.

    A subclass is a frozen dataclass (`@dataclass(frozen=True, repr=False)`) that overrides `__call__`.

    Raises
    ------
    DataError
        by a call, when the targets do not fit the outputs.

    Examples
    --------
    A loss of your own, `log(cosh(y - target))`:

    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> @dataclass(frozen=True, repr=False)
    ... class LogCosh(nn.Loss):
    ...     def __call__(self, y, target, *, need_dy=True):
    ...         d = y - target
    ...         return float(np.log(np.cosh(d)).mean()), np.tanh(d) / d.size if need_dy else None
    >>> LogCosh()(np.array([[0.0], [1.0]]), np.array([[0.0], [1.0]]))
    (0.0, array([[0.],
           [0.]]))
    """

    namespace: ClassVar[str] = "nn."
    targets: ClassVar[Targets | None] = None
    """The kind of targets that it compares outputs with; None: not declared, the loss goes with every score."""
    default_scores: ClassVar[tuple[Score, ...]] = ()
    """The scores of a sentinel that has this loss and no `scores` of its own."""

    def suits(self, score: Score) -> bool:
        """Whether the score takes the same targets as this loss, as far as the two declare them.

        An inherited `targets` does not count, for a subclass may take other ones: a user's own loss or score goes with
        all, unless its class itself has `targets`.
        """
        said = {vars(type(value)).get("targets") for value in (self, score)}
        return said != set(get_args(Targets))

    @property
    def takes_weights(self) -> bool:
        """Whether `__call__` has an argument `weights`."""
        return _has_weights(type(self).__call__)

    @abstractmethod
    def __call__(
        self, y: Array, target: Array, *, need_dy: bool = True, weights: Array | None = None
    ) -> tuple[float, Array | None]:
        """`(loss, dy)`: the mean over the batch, and its gradient by `y` (None unless `need_dy`).

        No argument is written into; `dy` is a new array of the shape and dtype of `y`. A loss of your own may leave out
        the argument `weights`: it is refused where the data have weights.

        Parameters
        ----------
        weights : (batch,) float, not below 0
            of the samples. The loss is `sum(weights * losses) / sum(weights)` then, and 0 where all weights are.

        Raises
        ------
        DataError
            when the targets do not fit the outputs.
        """

    def total_weight(self, target: Array, weights: Array | None = None) -> float:
        """The divisor of the mean over a batch: the loss of a pass is the mean of its batches, weighted by these."""
        return len(target) if weights is None else float(weights.sum())

    def scored(self, y: Array, target: Array, weights: Array | None = None) -> tuple[Array, Array, Array | None]:
        """The rows of a batch that scores compare: those whose weight is not 0."""
        if weights is None or weights.all():
            return y, target, weights
        kept = weights != 0
        return y[kept], target[kept], weights[kept]


def applied_loss(
    loss: Loss, y: Array, target: Array, weights: Array | None, *, need_dy: bool
) -> tuple[float, Array | None]:
    """Loss and gradient of a batch by a loss that may be a user's; the gradient in the dtype of the outputs.

    Raises
    ------
    SpecError
        when the loss returns anything but a number and a gradient of the shape of the outputs.
    """
    by_weight = {} if weights is None else {"weights": weights}
    found: object = loss(y, target, need_dy=need_dy, **by_weight)
    if not isinstance(found, tuple) or len(found) != 2:
        raise SpecError(
            f"{loss!r} returns a {type(found).__name__}: it returns (loss, dy), where dy is the gradient by "
            "the outputs, or None where need_dy is False"
        )
    value, dy = found
    return _checked_value(loss, value), _checked_gradient(loss, dy, y) if need_dy else None


def _checked_value(loss: Loss, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        said = f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else f"{value!r:.80}"
        raise SpecError(f"{loss!r} gives {said} as loss: it returns one number, the mean over the batch") from None


def _checked_gradient(loss: Loss, dy: Any, y: Array) -> Array:
    if not isinstance(dy, np.ndarray) or dy.shape != y.shape or dy.dtype.kind not in "biuf":
        said = f"{dy.dtype} of shape {dy.shape}" if isinstance(dy, np.ndarray) else f"a {type(dy).__name__}"
        raise SpecError(
            f"{loss!r} gives {said} as gradient: it returns (loss, dy), where dy has the shape of the outputs, "
            f"{y.shape}, and is of {y.dtype}"
        )
    return dy.astype(y.dtype, copy=False)


@lru_cache(maxsize=256)
def _has_weights(function: Callable[..., Any]) -> bool:
    return "weights" in inspect.signature(function).parameters


def check_weights(criterion: Loss | Score, weights: Array, y: Array) -> None:
    """DataError where there is not one weight for each sample."""
    if weights.shape != y.shape[:1]:
        raise DataError(
            f"{criterion!r} takes one weight for each sample: the weights have shape {weights.shape}, the outputs "
            f"{y.shape}: give weights of shape {y.shape[:1]}"
        )


def _added(one: ScoreState, other: ScoreState) -> ScoreState:
    pairs = zip(one, other, strict=True)
    return tuple(_added(a, b) if isinstance(a, tuple) else a + b for a, b in pairs)
