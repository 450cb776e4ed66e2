"""Softmax cross entropy with integer labels."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from akkordeon_dask._numbers import check_int, keep_number
from akkordeon_dask.errors import DataError
from akkordeon_dask.memory import empty_like
from akkordeon_dask.nn._column_sums import column_sums
from akkordeon_dask.nn._loss import Loss, Score, Targets, check_weights
from akkordeon_dask.nn._scores import Accuracy
from akkordeon_dask.nn._targets import check_labels
from akkordeon_dask.nn._weights import weighted_mean
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
    ignore_index
        samples or positions with this label are left out of the loss and of the scores, -100 say; None: there are none.

    Shapes
    ------
    y : (batch, classes) float, the logits; target : (batch,) integer in [0, classes), or bool for two classes; or
    y : (batch, classes, positions, ...), target : (batch, positions, ...): the mean over all positions of the batch

    Raises
    ------
    SpecError
        when a parameter is out of its range.
    DataError
        by a call, when the targets do not fit the outputs, or a label is out of range.

    Examples
    --------
    Two positions of one sample, one of which has no label:

    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.SoftmaxCrossEntropy(ignore_index=-100)(np.array([[[0.0, 1.0], [0.0, 0.0]]]), np.array([[0, -100]]))
    (0.6931471805599453, array([[[-0.5,  0. ],
            [ 0.5,  0. ]]]))
    """

    targets: ClassVar[Targets | None] = "labels"
    default_scores: ClassVar[tuple[Score, ...]] = (Accuracy(),)

    label_smoothing: float = 0.0
    ignore_index: int | None = None

    def __post_init__(self) -> None:
        keep_number(self, "label_smoothing", least=0, below=1)
        if self.ignore_index is not None:
            object.__setattr__(self, "ignore_index", check_int(f"{self!r}: ignore_index", self.ignore_index))

    def __call__(
        self, y: Array, target: Array, *, need_dy: bool = True, weights: Array | None = None
    ) -> tuple[float, Array | None]:
        """The loss as `nn.Loss` has it; weights may also have the shape of the targets, one for each position."""
        if y.ndim <= 2 and self.ignore_index is None:
            return self._of_rows(y, target, need_dy, weights)
        rows, labels, of_rows, kept = self._flat(y, target, weights)
        loss, slope = 0.0, rows[:0] if need_dy else None
        if len(kept):
            some = None if of_rows is None else of_rows[kept]
            loss, slope = self._of_rows(rows[kept], labels[kept], need_dy, some)
        if slope is None:
            return loss, None
        dy = np.zeros_like(rows, order="C")
        dy[kept] = slope
        return loss, _unflat(dy, y)

    def total_weight(self, target: Array, weights: Array | None = None) -> float:
        if target.ndim < 2 and self.ignore_index is None:
            return super().total_weight(target, weights)
        kept = np.ones(target.shape, bool) if self.ignore_index is None else target != self.ignore_index
        if weights is None:
            return int(np.count_nonzero(kept))
        return float((weights.reshape(*weights.shape, *[1] * (target.ndim - weights.ndim)) * kept).sum())

    def scored(self, y: Array, target: Array, weights: Array | None = None) -> tuple[Array, Array, Array | None]:
        if y.ndim <= 2 and self.ignore_index is None:
            return super().scored(y, target, weights)
        rows, labels, of_rows, kept = self._flat(y, target, weights)
        return super().scored(rows[kept], labels[kept], None if of_rows is None else of_rows[kept])

    def _flat(self, y: Array, target: Array, weights: Array | None) -> tuple[Array, Array, Array | None, Array]:
        """Outputs, labels and weights with a row for each position, and the rows that are not ignored."""
        if y.ndim < 2 or (y.ndim > 2 and target.ndim < 2):
            check_labels(self, target, y)
        if target.shape != (len(y), *y.shape[2:]):
            behind = y.ndim > 2 and target.shape == y.shape[:-1]
            remedy = "transpose the outputs, whose classes come last" if behind else "give one label for each position"
            raise DataError(
                f"{self!r} takes outputs of shape (batch, classes, positions) and labels of shape (batch, positions): "
                f"the labels have shape {target.shape}, the outputs {y.shape}: {remedy}"
            )
        if weights is not None and weights.shape != target.shape:
            check_weights(self, weights, y)
            weights = np.repeat(weights, target.size // len(target))
        rows, labels = np.moveaxis(y, 1, -1).reshape(-1, y.shape[1]), target.ravel()
        kept = np.ones(len(labels), bool) if self.ignore_index is None else labels != self.ignore_index
        return rows, labels, None if weights is None else weights.ravel(), np.flatnonzero(kept)

    def _of_rows(self, y: Array, target: Array, need_dy: bool, weights: Array | None) -> tuple[float, Array | None]:
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
        each = np.log(total) - picked
        loss, share = weighted_mean(self, each, weights)
        if not need_dy:
            return loss, None
        np.subtract.at(flat, labelled, total * (1 - self.label_smoothing) if self.label_smoothing else total)
        if self.label_smoothing:
            p -= total * (self.label_smoothing / len(p))
        np.divide(share, total, out=total, casting="same_kind")
        p *= total
        dy = empty_like(y)
        np.copyto(dy, p.T, casting="same_kind")
        return loss, dy


def _unflat(rows: Array, y: Array) -> Array:
    """Rows of positions, in the shape of the outputs."""
    return np.ascontiguousarray(np.moveaxis(rows.reshape(len(y), *y.shape[2:], y.shape[1]), -1, 1))


@lru_cache(maxsize=16)
def _rows(n: int) -> Array:
    """The numbers of a batch's samples, shared."""
    rows = np.arange(n)
    rows.flags.writeable = False
    return rows
