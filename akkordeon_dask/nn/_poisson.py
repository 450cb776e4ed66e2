"""The likelihood of counts."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask.errors import DataError
from akkordeon_dask.memory import empty_like
from akkordeon_dask.nn._loss import Score, Targets
from akkordeon_dask.nn._targets import first_not
from akkordeon_dask.nn._value_loss import ValueLoss
from akkordeon_dask.tree import Array

__all__ = ["PoissonNLL"]


@dataclass(frozen=True, repr=False)
class PoissonNLL(ValueLoss):
    """`exp(y) - target * y`: the negative log likelihood of counts whose expected value is `exp(y)`.

    The mean over the batch and over a sample's outputs, without `log(target!)`, which does not depend on `y`.
    Predictions are the logarithms of the expected counts.

    Shapes
    ------
    y : (batch, ...) float, logarithms; target : the shape of y, float or integer, finite, at least 0

    Raises
    ------
    DataError
        by a call, when the targets do not fit the outputs, or one is not finite or below 0.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.PoissonNLL()(np.array([[0.0]]), np.array([[3]]))
    (1.0, array([[-2.]]))
    """

    targets: ClassVar[Targets | None] = "values"
    default_scores: ClassVar[tuple[Score, ...]] = ()

    def _total(self, y: Array, target: Array, weights: Array | None) -> tuple[float, Array]:
        if target.min() < 0:
            raise DataError(f"{first_not(~(target < 0), target)} is no count: it is below 0: check the data")
        with np.errstate(over="ignore"):  # the loss is infinite then, and says so
            slope = np.exp(y, out=empty_like(y))
            if weights is None:
                total = float(slope.sum() - np.vdot(target.astype(y.dtype), y))
            else:
                total = float((weights * slope).sum() - np.vdot(weights * target, y))
        return total, np.subtract(slope, target, out=slope, casting="same_kind")
