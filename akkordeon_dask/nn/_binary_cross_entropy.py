"""Cross entropy of independent yes-or-no outputs."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask.errors import DataError
from akkordeon_dask.memory import empty_like
from akkordeon_dask.nn._loss import Loss, Score, Targets
from akkordeon_dask.nn._precision import widened
from akkordeon_dask.nn._scores import BinaryAccuracy
from akkordeon_dask.nn._sigmoid import sigmoid
from akkordeon_dask.nn._targets import check_values, first_not
from akkordeon_dask.nn._weights import column_and_size
from akkordeon_dask.tree import Array

__all__ = ["BinaryCrossEntropyWithLogits"]


@dataclass(frozen=True, repr=False)
class BinaryCrossEntropyWithLogits(Loss):
    """`-target * log p - (1 - target) * log(1 - p)` with `p = sigmoid(y)`, the mean over batch and outputs.

    Computed as `max(y, 0) - y * target + log(1 + exp(-|y|))`, which overflows for no `y`.

    Shapes
    ------
    y : (batch, ...) float, the logits; target : the shape of y, numbers in [0, 1] or bool

    Raises
    ------
    DataError
        by a call, when the targets do not fit the outputs, or one is not in [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> round(nn.BinaryCrossEntropyWithLogits()(np.zeros((2, 1)), np.array([[1.0], [0.0]]))[0], 4)
    0.6931
    """

    targets: ClassVar[Targets | None] = "values"
    default_scores: ClassVar[tuple[Score, ...]] = (BinaryAccuracy(),)

    def __call__(
        self, y: Array, target: Array, *, need_dy: bool = True, weights: Array | None = None
    ) -> tuple[float, Array | None]:
        check_values(self, target, y)
        if not (target.min() >= 0 and target.max() <= 1):
            inside = (target >= 0) & (target <= 1)
            raise DataError(f"{first_not(inside, target)} is no probability: targets go from 0 to 1: check the data")
        dtype, y = y.dtype, widened(y)
        terms = np.absolute(y, out=empty_like(y))
        np.negative(terms, out=terms)
        np.exp(terms, out=terms)
        np.log1p(terms, out=terms)
        part = np.maximum(y, 0, out=empty_like(y))
        terms += part
        terms -= np.multiply(y, target, out=part, casting="same_kind")
        column, size = column_and_size(self, weights, y)
        loss = float(terms.mean()) if column is None else float((column * terms).sum()) / size
        if not need_dy:
            return loss, None
        dy = sigmoid(y)
        np.subtract(dy, target, out=dy, casting="same_kind")
        dy *= 1 / size if column is None else column / size
        return loss, dy.astype(dtype, copy=False)
