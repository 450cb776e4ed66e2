"""The base of losses that compare one number with one target for each output."""

import math
from abc import abstractmethod

import numpy as np

from akkordeon_dask.errors import DataError
from akkordeon_dask.nn._loss import Loss
from akkordeon_dask.nn._precision import widened
from akkordeon_dask.nn._targets import check_values, first_not
from akkordeon_dask.nn._weights import column_and_size
from akkordeon_dask.tree import Array

__all__ = ["ValueLoss"]


class ValueLoss(Loss):
    """The mean, over the batch and over a sample's outputs, of a function of an output and its target."""

    def __call__(
        self, y: Array, target: Array, *, need_dy: bool = True, weights: Array | None = None
    ) -> tuple[float, Array | None]:
        check_values(self, target, y)
        wide = widened(y)
        column, size = column_and_size(self, weights, y)
        total, slope = self._total(wide, target, column)
        loss = total / size
        if not math.isfinite(loss) and not (finite := np.isfinite(target)).all():
            raise DataError(f"{first_not(finite, target)} is not a finite number: check the data")
        if not need_dy:
            return loss, None
        slope *= 1 / size if column is None else column / size
        return loss, slope.astype(y.dtype, copy=False)

    @abstractmethod
    def _total(self, y: Array, target: Array, weights: Array | None) -> tuple[float, Array]:
        """The weighted sum over all outputs; its gradient by `y`, unweighted, a new array of its dtype.

        Parameters
        ----------
        weights : (batch, 1, ...)
            None: all are 1.
        """
