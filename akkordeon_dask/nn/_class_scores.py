"""Scores of classifiers that count each class: of a whole pass, whatever its batches."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from akkordeon_dask._numbers import check_int
from akkordeon_dask.errors import DataError, SpecError
from akkordeon_dask.nn._loss import Score, ScoreState, check_weights
from akkordeon_dask.nn._targets import check_labels, check_values, predicted_labels
from akkordeon_dask.tree import Array

__all__ = ["F1", "BalancedAccuracy", "ByClass", "Precision", "Recall"]

Average = Literal["macro", "micro"]


@dataclass(frozen=True, repr=False)
class ByClass(Score):
    """The base of scores that are made of three counts for each class: of its samples, found, and found rightly.

    Parameters and shapes are those of `F1`.
    """

    average: Average = "macro"
    label: int | None = None

    def __post_init__(self) -> None:
        if self.average not in get_args(Average):
            raise SpecError(f"{self!r}: average is 'macro' or 'micro', not {self.average!r}")
        if self.label is not None:
            object.__setattr__(self, "label", check_int(f"{self!r}: label", self.label, 0))
            if self.average != "macro":
                raise SpecError(f"{self!r}: one class alone has no average: leave out label or average")

    @property
    def name(self) -> str:
        base = type(self).__name__.lower()
        if self.label is not None:
            return f"{base}_of_{self.label}"
        return base if self.average == "macro" else f"{base}_{self.average}"

    def update(self, y: Array, target: Array, weights: Array | None = None) -> ScoreState:
        """`(samples, found, rightly found)`, each a tuple with a number for each class."""
        truth, found, classes = self._classes(y, target)
        if self.label is not None and self.label >= classes:
            raise DataError(f"{self!r} scores class {self.label}, the classes go from 0 to {classes - 1}")
        right = truth == found
        if weights is None:
            counts = (np.bincount(which, minlength=classes) for which in (truth, found, truth[right]))
        else:
            check_weights(self, weights, y)
            its = np.repeat(weights, len(truth) // len(weights))
            parts = ((truth, its), (found, its), (truth[right], its[right]))
            counts = (np.bincount(which, some, minlength=classes) for which, some in parts)
        return tuple(tuple(which.tolist()) for which in counts)

    def _classes(self, y: Array, target: Array) -> tuple[Array, Array, int]:
        if target.ndim == 1 and y.ndim == 2:
            truth, found = check_labels(self, target, y).astype(np.intp), predicted_labels(y)
            return truth, np.where(found < 0, (truth + 1) % y.shape[1], found), y.shape[1]
        check_values(self, target, y)
        truth = (target > 0.5).ravel().astype(np.intp)
        # An output that is NaN has to count against the sample.
        return truth, np.where(np.isnan(y).ravel(), 1 - truth, (y > 0).ravel()), 2

    def result(self, state: ScoreState) -> float:
        if not any(state[0]):
            return math.nan
        if self.label is not None:
            return self._of_counts(*(counts[self.label] for counts in state))
        if self.average == "micro":
            return self._of_counts(*map(sum, state))
        classes = [counts for counts in zip(*state, strict=True) if self._occurs(*counts)]
        return math.fsum(self._of_counts(*counts) for counts in classes) / len(classes)

    def _occurs(self, samples: float, found: float, right: float) -> bool:
        return samples + found > 0

    @abstractmethod
    def _of_counts(self, samples: float, found: float, right: float) -> float:
        """The score of these counts; 0 where it has no divisor."""


@dataclass(frozen=True, repr=False)
class Precision(ByClass):
    """The share of the samples found to be of a class that are, as scikit-learn's `precision_score`.

    Parameters, shapes and errors are those of `nn.F1`.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.Precision(label=1)(np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]), np.array([1, 0, 1]))
    0.5
    """

    def _of_counts(self, samples: float, found: float, right: float) -> float:
        return right / found if found else 0.0


@dataclass(frozen=True, repr=False)
class Recall(ByClass):
    """The share of a class's samples that are found, as scikit-learn's `recall_score`.

    Parameters, shapes and errors are those of `nn.F1`.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.Recall(label=0)(np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]), np.array([1, 0, 1]))
    1.0
    """

    def _of_counts(self, samples: float, found: float, right: float) -> float:
        return right / samples if samples else 0.0


@dataclass(frozen=True, repr=False)
class F1(ByClass):
    """The harmonic mean of precision and recall, as scikit-learn's `f1_score`.

    The class that is found is that of the greatest output. Where the network answers yes or no, a logit above 0 says
    yes, and the classes are 0 for no and 1 for yes: `nn.F1(label=1)`.

    Parameters
    ----------
    average
        `"macro"`: the plain mean over the classes that occur, as sample or as prediction; `"micro"`: of the counts of
        all classes together.
    label
        score this class alone, from 0; None: all of them.

    Shapes
    ------
    y : (batch, classes) float, target : (batch,) integer or bool; or y : (batch, ...) float, the logits of yes, and
    target : the shape of y, numbers in [0, 1] or bool

    Raises
    ------
    SpecError
        when `average` is none of these, `label` is below 0, or a label is given with `"micro"`.
    DataError
        by a call or `update`, when the targets do not fit the outputs, or there is no class `label`.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.F1()(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1, 0]))
    1.0
    """

    def _of_counts(self, samples: float, found: float, right: float) -> float:
        return 2 * right / (samples + found) if samples + found else 0.0


@dataclass(frozen=True, repr=False)
class BalancedAccuracy(Recall):
    """The mean recall of the classes that have samples, as scikit-learn's `balanced_accuracy_score`.

    Shapes
    ------
    y : (batch, classes) float, target : (batch,) integer or bool; or y : (batch, ...) float, the logits of yes, and
    target : the shape of y, numbers in [0, 1] or bool

    Raises
    ------
    SpecError
        when a label, or another average than `"macro"`, is given.
    DataError
        by a call or `update`, when the targets do not fit the outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.BalancedAccuracy()(np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]), np.array([0, 0, 1]))
    0.5
    """

    @property
    def name(self) -> str:
        return "balanced_accuracy"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label is not None or self.average != "macro":
            raise SpecError(f"{self!r}: the balanced accuracy is of all classes: write nn.Recall for one")

    def _occurs(self, samples: float, found: float, right: float) -> bool:
        return samples > 0
