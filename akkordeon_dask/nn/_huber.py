"""Squared where an output is about right, else absolute."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask._numbers import keep_number
from akkordeon_dask.memory import empty_like
from akkordeon_dask.nn._loss import Score, Targets
from akkordeon_dask.nn._regression_scores import R2
from akkordeon_dask.nn._value_loss import ValueLoss
from akkordeon_dask.tree import Array

__all__ = ["Huber"]


@dataclass(frozen=True, repr=False)
class Huber(ValueLoss):
    """`d * d / 2` for a difference `d = y - target` of at most `delta`, else `delta * (|d| - delta / 2)`.

    The mean over the batch and over a sample's outputs. Huber, 'Robust Estimation of a Location Parameter', Annals of
    Mathematical Statistics 35(1), 1964.

    Parameters
    ----------
    delta
        the difference from which on it grows as a straight line, in the targets' unit, above 0.

    Shapes
    ------
    y : (batch, ...) float; target : the shape of y, float, integer or bool, finite

    Raises
    ------
    SpecError
        when `delta` is out of its range.
    DataError
        by a call, when the targets do not fit the outputs, or one is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.Huber(2)(np.array([[1.0], [10.0]]), np.array([[0.0], [0.0]]), need_dy=False)
    (9.25, None)
    """

    targets: ClassVar[Targets | None] = "values"
    default_scores: ClassVar[tuple[Score, ...]] = (R2(),)

    delta: float = 1.0

    def __post_init__(self) -> None:
        keep_number(self, "delta", above=0)

    def _total(self, y: Array, target: Array, weights: Array | None) -> tuple[float, Array]:
        d = np.subtract(y, target, out=empty_like(y), casting="same_kind")
        slope = np.clip(d, -self.delta, self.delta, out=empty_like(d))
        d -= slope / 2
        return float(np.vdot(slope, d if weights is None else d * weights)), slope
