"""The squared difference."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask.errors import DataError
from akkordeon_dask.memory import empty_like
from akkordeon_dask.nn._loss import Loss, Score, Targets
from akkordeon_dask.nn._precision import widened
from akkordeon_dask.nn._regression_scores import R2
from akkordeon_dask.nn._targets import check_values, first_not
from akkordeon_dask.nn._weights import column_and_size
from akkordeon_dask.tree import Array

__all__ = ["MeanSquaredError"]


@dataclass(frozen=True, repr=False)
class MeanSquaredError(Loss):
    """`(y - target)**2`, the mean over the batch and over a sample's outputs.

    Shapes
    ------
    y : (batch, ...) float; target : the shape of y, float, integer or bool, finite

    Raises
    ------
    DataError
        by a call, when the targets do not fit the outputs, or one is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.MeanSquaredError()(np.array([[1.0], [4.0]]), np.array([[1.0], [2.0]]))[0]
    2.0
    """

    targets: ClassVar[Targets | None] = "values"
    default_scores: ClassVar[tuple[Score, ...]] = (R2(),)

    def __call__(
        self, y: Array, target: Array, *, need_dy: bool = True, weights: Array | None = None
    ) -> tuple[float, Array | None]:
        check_values(self, target, y)
        wide = widened(y)
        d = np.subtract(wide, target, out=empty_like(wide), casting="same_kind")
        column, size = column_and_size(self, weights, d)
        loss = float(np.vdot(d if column is None else column * d, d)) / size
        if not math.isfinite(loss) and not (finite := np.isfinite(target)).all():
            raise DataError(f"{first_not(finite, target)} is not a finite number: check the data")
        if not need_dy:
            return loss, None
        d *= 2 / size if column is None else column * (2 / size)
        return loss, d.astype(y.dtype, copy=False)
