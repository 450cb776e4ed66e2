"""The confusion matrix of a pass, and the images of its wrong predictions that the network was surest of."""

import base64
import heapq
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from akkordeon_dask._png import png
from akkordeon_dask.messages import Confusion, WrongPrediction
from akkordeon_dask.nn import BinaryCrossEntropyWithLogits, Loss
from akkordeon_dask.tree import Array

__all__ = ["NONE", "ConfusionCounts", "count_confusion"]

_CLASSES = 64
"""Classes of which a matrix is still small."""
_IMAGES, _BYTES, _SIDE, _LEAST = 12, 24_000, 32, 8
"""Of a pass: images, and bytes of all of them; of an image: pixels of a side, at most and at least."""


class _Wrong(NamedTuple):
    """A wrong prediction, ordered by how much greater its output was than the labelled one."""

    margin: float
    sequence: int
    row: int
    label: int
    predicted: int
    image: Array | None = None
    """None as long as its batch is at hand."""


@dataclass(frozen=True, slots=True)
class ConfusionCounts:
    """The counts of some batches."""

    counts: Array
    """(classes, classes) int64: rows are labels, columns predictions."""
    wrong: tuple[_Wrong, ...] = ()
    """The most wrong ones, the worst first."""
    x: Array | None = None
    """The samples of the one batch that these are of; None: the wrong ones have their images, or need none."""

    def merged(self, other: "ConfusionCounts") -> "ConfusionCounts":
        """The counts of the samples of both, in any order. It holds no batch, but the images that are worst."""
        pairs = [(one, counts.x) for counts in (self, other) for one in counts.wrong]
        worst = heapq.nlargest(_IMAGES, pairs, key=lambda pair: pair[0][:3])
        return ConfusionCounts(self.counts + other.counts, tuple(_with_image(one, x) for one, x in worst))

    def report(self, epoch: int) -> Confusion:
        """The confusion of a finished pass."""
        shown = [(one, one.image) for one in self.wrong if one.image is not None]
        most = _BYTES // max((image.size for _, image in shown), default=1)
        wrong = (WrongPrediction(one.label, one.predicted, _encoded(image)) for one, image in shown[:most])
        return Confusion.of(epoch, self.counts, tuple(wrong))


NONE = ConfusionCounts(np.zeros((1, 1), np.int64))
"""Of no batch."""


def count_confusion(loss: Loss, y: Array, target: Array, x: Array | None, sequence: int) -> ConfusionCounts | None:
    """The counts of a batch; None where its targets are no classes, or too many.

    Parameters
    ----------
    y, target
        the rows that scores compare, which are fewer than `x` has where some are ignored or weigh nothing: then no
        samples are kept.
    x
        the samples; None where each has several rows.
    sequence
        of the batch: it makes the choice of samples the same for any order of batches.
    """
    found = _labels_and_outputs(loss, y, target)
    if found is None:
        return None
    labels, outputs = found
    predicted = outputs.argmax(axis=1)
    classes = outputs.shape[1]
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)
    if x is None or len(labels) != len(x) or _as_image(x[0]) is None:
        return ConfusionCounts(counts)
    rows = np.flatnonzero(predicted != labels)
    margins = outputs[rows, predicted[rows]] - outputs[rows, labels[rows]]
    worst = np.argsort(-margins, kind="stable")[:_IMAGES]
    columns = margins[worst], -rows[worst], labels[rows[worst]], predicted[rows[worst]]
    each = zip(*(column.tolist() for column in columns), strict=True)
    return ConfusionCounts(counts, tuple(_Wrong(margin, -sequence, *which) for margin, *which in each), x)


def _with_image(one: _Wrong, x: Array | None) -> _Wrong:
    image = None if x is None else _as_image(x[-one.row])
    return one if image is None else one._replace(image=image.copy())


def _labels_and_outputs(loss: Loss, y: Array, target: Array) -> tuple[Array, Array] | None:
    """Labels, (batch,), and outputs, (batch, classes); of yes or no the classes are 0 and 1."""
    if isinstance(loss, BinaryCrossEntropyWithLogits) and 0 < y.size == len(y) == target.size:
        yes = y.reshape(-1, 1)
        return (target.reshape(-1) > 0.5).astype(np.intp), np.concatenate([np.zeros_like(yes), yes], axis=1)
    fits = loss.targets == "labels" and y.ndim == 2 and target.shape == y.shape[:1] and target.dtype.kind in "iub"
    if not fits or not len(y) or not 1 < y.shape[1] <= _CLASSES:
        return None
    labels = target.astype(np.intp)
    return (labels, y) if labels.min() >= 0 and labels.max() < y.shape[1] else None


def _as_image(sample: Array) -> Array | None:
    """A sample as (height, width) or (height, width, 3), every n-th pixel of a large one; None where it is no image."""
    if sample.ndim == 1 and sample.dtype.kind in "buf":
        side = math.isqrt(len(sample))
        sample = sample.reshape(side, side) if side * side == len(sample) else sample
    elif sample.ndim == 3:
        first = np.moveaxis(sample, 0, -1) if sample.shape[0] in (1, 3) else sample
        sample = first[..., 0] if first.shape[-1] == 1 else first
    shape = sample.shape
    is_image = sample.ndim == 2 or (sample.ndim == 3 and shape[2] == 3)
    if not is_image or min(shape[:2]) < _LEAST or sample.dtype.kind not in "biuf":
        return None
    step = -(-max(shape[:2]) // _SIDE)
    image: Array = sample[::step, ::step]
    return image


def _encoded(image: Array) -> str:
    return base64.b64encode(png(_bytes(image))).decode()


def _bytes(image: Array) -> Array:
    """Pixels of one byte stay as they are; others go from their least number, black, to their greatest, white."""
    if image.dtype == np.uint8:
        return image
    numbers = np.nan_to_num(image.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = numbers.min(), numbers.max()
    scaled = (numbers - low) * (255 / (high - low) if high > low else 0.0)
    pixels: Array = np.rint(scaled).astype(np.uint8)
    return pixels
