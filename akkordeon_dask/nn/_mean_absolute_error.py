"""The absolute difference."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask.memory import empty_like
from akkordeon_dask.nn._loss import Score, Targets
from akkordeon_dask.nn._regression_scores import MAE
from akkordeon_dask.nn._value_loss import ValueLoss
from akkordeon_dask.tree import Array

__all__ = ["MeanAbsoluteError"]


@dataclass(frozen=True, repr=False)
class MeanAbsoluteError(ValueLoss):
    """`|y - target|`, the mean over the batch and over a sample's outputs: outliers weigh less than when squared.

    Its gradient by an output is the same however far it is off, and 0 where it is right.

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
    >>> nn.MeanAbsoluteError()(np.array([[1.0], [5.0]]), np.array([[2.0], [2.0]]), need_dy=False)
    (2.0, None)
    """

    targets: ClassVar[Targets | None] = "values"
    default_scores: ClassVar[tuple[Score, ...]] = (MAE(),)

    def _total(self, y: Array, target: Array, weights: Array | None) -> tuple[float, Array]:
        d = np.subtract(y, target, out=empty_like(y), casting="same_kind")
        sizes = np.absolute(d)
        total = float((sizes if weights is None else sizes * weights).sum())
        return total, np.sign(d, out=d)
