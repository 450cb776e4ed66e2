"""Scores of networks that fit numbers: of a whole pass, whatever its batches."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask.nn._loss import Score, ScoreState, Targets, check_weights
from akkordeon_dask.nn._targets import check_values
from akkordeon_dask.tree import Array

__all__ = ["MAE", "MSE", "R2", "RMSE"]


@dataclass(frozen=True, repr=False)
class R2(Score):
    """The coefficient of determination, `1 - sum((target - y)**2) / sum((target - mean(target))**2)`.

    1 is perfect, 0 as good as the mean of the targets; it has no lower bound. It is that of all samples of the pass
    at once, computed in float64, the same for every batch size and order up to rounding. Means and squares of
    parts are joined as in Chan, Golub, LeVeque, 'Updating Formulae and a Pairwise Algorithm for Computing Sample
    Variances', Stanford STAN-CS-79-773, 1979, which is exact also where targets are large and differ little.

    As in scikit-learn's `r2_score`: of several outputs the plain mean; where the targets of an output are all the same,
    1 for perfect predictions and else 0; NaN for fewer than two samples.

    Shapes
    ------
    y : (batch, ...) float; target : the shape of y, float, integer or bool

    Raises
    ------
    DataError
        by a call or `update`, when the targets do not fit the outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.R2()(np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [2.0], [3.0]]))
    0.5
    """

    targets: ClassVar[Targets | None] = "values"

    @property
    def name(self) -> str:
        return "r2"

    def update(self, y: Array, target: Array, weights: Array | None = None) -> ScoreState:
        """`(samples, means, squares about them, squared errors)`, a tuple with a number for each output.

        With weights their sum stands for the samples, and their number comes last.
        """
        check_values(self, target, y)
        truth = _columns(target)
        # About the first sample, so that targets that are all the same have a variance of exactly 0.
        about = truth - truth[0]
        if weights is None:
            offset = about.mean(axis=0)
            squares = ((about - offset) ** 2).sum(axis=0)
            errors = _squares(_columns(y), truth).sum(axis=0)
            return len(truth), _plain(truth[0] + offset), _plain(squares), _plain(errors)
        check_weights(self, weights, y)
        total = float(weights.sum())
        offset = weights @ about / total
        squares, errors = weights @ (about - offset) ** 2, weights @ _squares(_columns(y), truth)
        return total, _plain(truth[0] + offset), _plain(squares), _plain(errors), len(truth)

    def merge(self, one: ScoreState, other: ScoreState) -> ScoreState:
        """Formula 1.5 of the paper, for each output."""
        n, *its = one[:4]
        m, *others = other[:4]
        samples = n + m
        (mean, squares, errors), (mean_, squares_, errors_) = map(np.array, its), map(np.array, others)
        apart = mean_ - mean
        squares = squares + squares_ + apart**2 * (n * m / samples)
        rows = () if len(one) == len(other) == 4 else (_rows(one) + _rows(other),)
        return samples, _plain(mean + apart * (m / samples)), _plain(squares), _plain(errors + errors_), *rows

    def result(self, state: ScoreState) -> float:
        _, _, squares, errors = state[:4]
        if _rows(state) < 2:
            return math.nan
        return math.fsum(map(_determination, errors, squares)) / len(errors)


class _MeanOfOutputs(Score):
    """Made of a sum over the samples, for each output: the plain mean over the outputs, lower is better."""

    targets: ClassVar[Targets | None] = "values"
    greater_is_better: ClassVar[bool] = False

    def update(self, y: Array, target: Array, weights: Array | None = None) -> ScoreState:
        """`(samples, errors)`, the latter a tuple with a sum for each output, of weights the sum for the samples."""
        check_values(self, target, y)
        if weights is None:
            return len(y), _plain(self._differences(_columns(y), _columns(target)).sum(axis=0))
        check_weights(self, weights, y)
        return float(weights.sum()), _plain(weights @ self._differences(_columns(y), _columns(target)))

    def result(self, state: ScoreState) -> float:
        samples, errors = state
        return math.fsum(self._of_output(error / samples) for error in errors) / len(errors) if samples else math.nan

    @abstractmethod
    def _differences(self, y: Array, truth: Array) -> Array:
        """The error of each sample and output, (batch, outputs)."""

    def _of_output(self, mean: float) -> float:
        return mean


@dataclass(frozen=True, repr=False)
class MSE(_MeanOfOutputs):
    """The mean squared error: lower is better.

    It is that of all samples of the pass at once, computed in float64, the same for every batch size and order up to
    rounding. Of several outputs the plain mean, as scikit-learn's `mean_squared_error`.

    Shapes
    ------
    y : (batch, ...) float; target : the shape of y, float, integer or bool

    Raises
    ------
    DataError
        by a call or `update`, when the targets do not fit the outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.MSE()(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]]))
    2.0
    """

    targets: ClassVar[Targets | None] = "values"

    @property
    def name(self) -> str:
        return "mse"

    def _differences(self, y: Array, truth: Array) -> Array:
        return _squares(y, truth)


@dataclass(frozen=True, repr=False)
class RMSE(MSE):
    """The root of the mean squared error, in the targets' own unit: an error, lower is better.

    It is that of all samples of the pass at once, computed in float64, the same for every batch size and order up to
    rounding. Of several outputs the plain mean of their roots, as scikit-learn's `root_mean_squared_error`.

    Shapes
    ------
    y : (batch, ...) float; target : the shape of y, float, integer or bool

    Raises
    ------
    DataError
        by a call or `update`, when the targets do not fit the outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.RMSE()(np.array([[1.0], [4.0]]), np.array([[1.0], [1.0]])) == 4.5**0.5
    True
    """

    targets: ClassVar[Targets | None] = "values"

    @property
    def name(self) -> str:
        return "rmse"

    def _of_output(self, mean: float) -> float:
        return math.sqrt(mean)


@dataclass(frozen=True, repr=False)
class MAE(_MeanOfOutputs):
    """The mean absolute error, in the targets' own unit: lower is better.

    It is that of all samples of the pass at once, computed in float64, the same for every batch size and order up to
    rounding. Of several outputs the plain mean, as scikit-learn's `mean_absolute_error`.

    Shapes
    ------
    y : (batch, ...) float; target : the shape of y, float, integer or bool

    Raises
    ------
    DataError
        by a call or `update`, when the targets do not fit the outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.MAE()(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]]))
    1.0
    """

    targets: ClassVar[Targets | None] = "values"

    @property
    def name(self) -> str:
        return "mae"

    def _differences(self, y: Array, truth: Array) -> Array:
        errors: Array = np.absolute(y - truth)
        return errors


def _rows(state: ScoreState) -> int:
    rows: int = state[4] if len(state) > 4 else state[0]
    return rows


def _columns(numbers: Array) -> Array:
    """`(batch, ...)` to `(batch, outputs)` float64."""
    return numbers.reshape(len(numbers), -1).astype(np.float64)


def _squares(y: Array, truth: Array) -> Array:
    squares: Array = (y - truth) ** 2
    return squares


def _determination(errors: float, squares: float) -> float:
    if squares:
        return 1 - errors / squares
    return 0.0 if errors else 1.0


def _plain(numbers: Array) -> tuple[float, ...]:
    return tuple(numbers.tolist())
