"""The area under the ROC curve: of a whole pass, exactly."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from akkordeon_dask.nn._loss import Score, ScoreState, check_weights
from akkordeon_dask.nn._targets import check_labels, check_values
from akkordeon_dask.tree import Array

__all__ = ["ROCAUC"]


@dataclass(frozen=True, repr=False)
class ROCAUC(Score):
    """The area under the ROC curve, as scikit-learn's `roc_auc_score`: 1 is perfect, 0.5 as good as chance.

    It is the share of pairs, of a sample of the class and one that is not, of which the former has the greater output;
    a pair of equal outputs counts half. Of two classes one area; of more the plain mean of one class against the
    others, by the probabilities that the logits mean; of several yes-or-no outputs the plain mean of theirs. A class
    that has no sample, or all of them, is left out of the mean; NaN where that leaves none, or where an output is NaN.

    It is exact, not of a histogram: during a pass it keeps 16 bytes for each sample and output, or class where there
    are more than two. They are sorted at the end of the pass; its progress does without the area.

    Shapes
    ------
    y : (batch, classes) float, target : (batch,) integer or bool; or y : (batch, ...) float, the logits of yes, and
    target : the shape of y, numbers in [0, 1] or bool

    Raises
    ------
    DataError
        by a call or `update`, when the targets do not fit the outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.ROCAUC()(np.array([[0.1], [0.4], [0.35], [0.8]]), np.array([[0], [0], [1], [1]]))
    0.75
    """

    running: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return "roc_auc"

    def update(self, y: Array, target: Array, weights: Array | None = None) -> ScoreState:
        """For each output the records of all samples, one after the other: bytes of float64, in some pieces.

        A record is the output, and the sample's weight, which is negative where the sample is not of the class.
        """
        outputs, truth = self._columns(y, target)
        its = np.ones(len(y))
        if weights is not None:
            check_weights(self, weights, y)
            its = weights.astype(np.float64)
        records = np.empty((outputs.shape[1], len(y), 2))
        records[..., 0] = outputs.T
        records[..., 1] = np.where(truth.T, its, -its)
        return tuple((column.tobytes(),) for column in records)

    def merge(self, one: ScoreState, other: ScoreState) -> ScoreState:
        return tuple(_joined(*both) for both in zip(one, other, strict=True))

    def _columns(self, y: Array, target: Array) -> tuple[Array, Array]:
        """Outputs, and whether they should be great, (batch, columns)."""
        if target.ndim != 1 or y.ndim != 2:
            check_values(self, target, y)
            return y.reshape(len(y), -1), target.reshape(len(y), -1) > 0.5
        labels = check_labels(self, target, y)
        wide = y.astype(np.float64)
        if y.shape[1] == 2:
            return wide[:, 1:] - wide[:, :1], labels[:, np.newaxis] == 1
        p = np.exp(wide - wide.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        return p, labels[:, np.newaxis] == np.arange(y.shape[1])

    def result(self, state: ScoreState) -> float:
        areas = [_area(np.frombuffer(b"".join(_pieces(column))).reshape(-1, 2)) for column in state]
        known = [area for area in areas if area is not None]
        return math.fsum(known) / len(known) if known else math.nan


def _joined(one: Any, other: Any) -> tuple[bytes, ...]:
    """The records of both, in pieces that become shorter: each is copied as often as the logarithm of their number."""
    pieces = [*_pieces(one), *_pieces(other)]
    while len(pieces) > 1 and len(pieces[-2]) <= len(pieces[-1]):
        last = pieces.pop()
        pieces[-1] += last
    return tuple(pieces)


def _pieces(column: Any) -> tuple[bytes, ...]:
    """Snapshots of former versions have one piece."""
    return (column,) if isinstance(column, bytes) else column


def _area(records: Array) -> float | None:
    """The area of one output; None where all samples are alike."""
    records = records[records[:, 0].argsort()]
    outputs, weights = records.T
    # Of each output that occurs, the weight of those that are of the class, and of those that are not.
    begins = np.flatnonzero(np.r_[True, outputs[1:] != outputs[:-1]])
    of_class, others = (np.add.reduceat(np.maximum(its, 0), begins) for its in (weights, -weights))
    pairs = of_class.sum() * others.sum()
    if not pairs:
        return None
    if math.isnan(outputs[-1]):
        return math.nan
    below = np.cumsum(others) - others / 2
    return float(np.dot(of_class, below) / pairs)
