"""Softmax cross entropy with integer labels."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from akkordeon_dask._numbers import keep_number
from akkordeon_dask.memory import empty_like
from akkordeon_dask.nn._column_sums import column_sums
from akkordeon_dask.nn._loss import Loss, Score, Targets
from akkordeon_dask.nn._scores import Accuracy
from akkordeon_dask.nn._targets import check_labels
from akkordeon_dask.tree import Array

__all__ = ["SoftmaxCrossEntropy"]


@dataclass(frozen=True, repr=False)
class SoftmaxCrossEntropy(Loss):
    """`-log softmax(y)[target]`, the mean over the batch.

    Parameters
    ----------
    label_smoothing
        the share of each target that all classes have in equal parts, in [0, 1): the labelled one keeps the rest.
        Szegedy et al., 'Rethinking the Inception Architecture for Computer Vision', arXiv 1512.00567, 2015.

    Shapes
    ------
    y : (batch, classes) float, the logits; target : (batch,) integer in [0, classes), or bool for two classes
    """

    targets: ClassVar[Targets | None] = "labels"
    default_scores: ClassVar[tuple[Score, ...]] = (Accuracy(),)

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        keep_number(self, "label_smoothing", least=0, below=1)

    def __call__(self, y: Array, target: Array, *, need_dy: bool = True) -> tuple[float, Array | None]:
        target = check_labels(self, target, y)
        # Classes first: numpy reduces along the long axis of a (10, 1024) array ten times as fast.
        p = np.array(y.T, np.promote_types(y.dtype, np.float32), order="C")
        p -= np.maximum.reduce(p)
        # Flat indices of the labels: numpy looks them up several times as fast as pairs of indices.
        flat = p.reshape(-1)
        labelled = np.multiply(target, len(y), dtype=np.intp, casting="unsafe")
        labelled += _rows(len(y))
        picked = flat.take(labelled)
        if self.label_smoothing:
            picked *= 1 - self.label_smoothing
            picked += column_sums(p) * (self.label_smoothing / len(p))
        np.exp(p, out=p)
        total = column_sums(p)
        # Reduced by the ufunc itself: `mean` goes through Python for longer than numpy adds.
        loss = float(np.add.reduce(np.log(total) - picked) / len(y))
        if not need_dy:
            return loss, None
        np.subtract.at(flat, labelled, total * (1 - self.label_smoothing) if self.label_smoothing else total)
        if self.label_smoothing:
            p -= total * (self.label_smoothing / len(p))
        np.divide(1 / len(y), total, out=total)
        p *= total
        dy = empty_like(y)
        np.copyto(dy, p.T, casting="same_kind")
        return loss, dy


@lru_cache(maxsize=16)
def _rows(n: int) -> Array:
    """The numbers of a batch's samples, shared."""
    rows = np.arange(n)
    rows.flags.writeable = False
    return rows
