"""Orders of the samples of an epoch that follow their labels, or their probabilities."""

import numpy as np

from akkordeon_dask.tree import Array

__all__ = ["drawn_order", "stratified_order"]


def stratified_order(rows: range, labels: Array, seed: int, epoch: int) -> Array:
    """The rows in an order in which each class is spread evenly, (samples,) int64.

    The rows of a class of n samples, themselves in a random order, get the times `(0 + u) / n, (1 + u) / n, ...` with a
    random u in [0, 1) of the class; all rows are in the order of these times. So of any stretch of the order a class
    has its share of samples, give or take less than `1 + classes * n / samples`.

    Parameters
    ----------
    labels : (total,)
        of all samples.
    """
    rng = _stream(seed, epoch)
    index = np.arange(rows.start, rows.stop, rows.step)
    index = index[rng.permutation(len(index))]
    _, classes, counts = np.unique(labels[index], return_inverse=True, return_counts=True)
    by_class = classes.argsort(kind="stable")
    times = np.empty(len(index))
    times[by_class] = np.concatenate([(np.arange(count) + rng.random()) / count for count in counts])
    ordered: Array = index[times.argsort(kind="stable")]
    return ordered


def drawn_order(rows: range, probabilities: Array, seed: int, epoch: int) -> Array:
    """As many rows as there are, drawn with replacement, each as often as its probability says, (samples,) int64.

    Parameters
    ----------
    probabilities : (total,) float64
        of all samples, up to a factor.
    """
    index = np.arange(rows.start, rows.stop, rows.step)
    chances = probabilities[index]
    ends = (chances / chances.max()).cumsum()  # their sum stays finite, however great they are
    positions = ends.searchsorted(_stream(seed, epoch).random(len(index)) * ends[-1], side="right")
    drawn: Array = index[np.minimum(positions, len(index) - 1)]
    return drawn


def _stream(seed: int, epoch: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(epoch,))))
