"""A margin between the labelled output and the others."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask.errors import DataError
from akkordeon_dask.memory import copied
from akkordeon_dask.nn._loss import Loss, Score, Targets
from akkordeon_dask.nn._precision import widened
from akkordeon_dask.nn._scores import Accuracy
from akkordeon_dask.nn._targets import check_labels
from akkordeon_dask.nn._weights import weighted_mean
from akkordeon_dask.tree import Array

__all__ = ["Hinge"]


@dataclass(frozen=True, repr=False)
class Hinge(Loss):
    """`max(0, 1 + greatest other output - labelled output)`, the mean over the batch.

    Crammer, Singer, 'On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines', Journal of Machine
    Learning Research 2, 2001.

    Shapes
    ------
    y : (batch, classes) float, two classes at least; target : (batch,) integer in [0, classes), or bool for two classes

    Raises
    ------
    DataError
        by a call, when the targets do not fit the outputs, a label is out of range, or there is one output only.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.Hinge()(np.array([[0.5, 1.0, -3.0]]), np.array([1]))
    (0.5, array([[ 1., -1.,  0.]]))
    """

    targets: ClassVar[Targets | None] = "labels"
    default_scores: ClassVar[tuple[Score, ...]] = (Accuracy(),)

    def __call__(
        self, y: Array, target: Array, *, need_dy: bool = True, weights: Array | None = None
    ) -> tuple[float, Array | None]:
        labels = check_labels(self, target, y).astype(np.intp)
        if y.shape[1] < 2:
            raise DataError(f"{self!r} compares classes, and the network has one output: give it one for each class")
        rows = np.arange(len(y))
        others = copied(widened(y))
        labelled = others[rows, labels]
        others[rows, labels] = -np.inf
        rival = others.argmax(axis=1)
        margin = 1 + others[rows, rival] - labelled
        each = np.maximum(margin, 0)
        loss, share = weighted_mean(self, each, weights)
        if not need_dy:
            return loss, None
        dy = np.zeros_like(y, order="C")
        wrong = rows[~(margin <= 0)]  # a margin that is NaN counts
        steps = share if isinstance(share, float) else share[wrong]
        dy[wrong, rival[wrong]] = steps
        dy[wrong, labels[wrong]] = -steps
        return loss, dy
