"""Checks of targets against outputs."""

from functools import lru_cache
from typing import Any

import numpy as np

from akkordeon_dask.errors import DataError
from akkordeon_dask.nn._loss import Loss, Score
from akkordeon_dask.tree import Array

__all__ = ["check_labels", "check_values", "first_not", "predicted_labels"]


def check_labels(criterion: Loss | Score, target: Array, y: Array) -> Array:
    """Labels are whole numbers that name a column of the output, one for each row; False and True name 0 and 1.

    Returns
    -------
    Array
        the labels as integers.

    Raises
    ------
    DataError
        naming the loss or score, the labels and the remedy.
    """
    if y.ndim != 2 or target.shape != y.shape[:1] or target.dtype.kind not in "iub":
        raise DataError(
            f"{criterion!r} takes one whole number a sample as label and one row of classes as output: the labels have "
            f"shape {target.shape} and dtype {target.dtype}, the outputs shape {y.shape}: {_labels_remedy(target, y)}"
        )
    _check_not_empty(y)
    if target.dtype.kind == "b":
        target = target.view(np.uint8)
    greatest = np.maximum.reduce(target.view(_unsigned(target.dtype)))
    # As bits without a sign, a number below zero is above all others of its dtype, and may still be below `classes`.
    if greatest >= y.shape[1] or greatest > _largest(target.dtype):
        raise DataError(f"{_out_of_range(target, y.shape[1])}: {_range_remedy(criterion, target, y)}")
    return target


@lru_cache(maxsize=16)
def _unsigned(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of the same bytes in which numbers below zero are large."""
    return np.dtype(dtype.str.replace("i", "u"))


@lru_cache(maxsize=16)
def _largest(dtype: np.dtype[Any]) -> int:
    return int(np.iinfo(dtype).max)


def _labels_remedy(target: Array, y: Array) -> str:
    shape, kind = target.shape, target.dtype.kind
    if len(shape) == 0 or shape[0] != len(y):
        return "give as many labels as samples"
    if kind not in "iubf":
        return 'write np.unique(y, return_inverse=True)[1] for y, or y.astype("int64") where it holds whole numbers'
    if y.ndim != 2:
        flat = "nn.Flatten()" if y.ndim > 2 else "nn.Reshape((1,))"
        return f"put {flat} behind the last layer"
    if target.size > len(y):
        return "write y.argmax(axis=1) for y where it is one-hot, loss=nn.MeanSquaredError() for regression"
    one = ".ravel()" if target.size == len(y) and len(shape) > 1 else ""
    if kind != "f":
        return f"write y{one} for y" if one else "give one label a sample"
    if not np.isfinite(target).all():
        missing = np.count_nonzero(~np.isfinite(target))
        return f"{missing} of {target.size} labels are missing: drop the rows that have none, or give them a class"
    whole = "np.unique(y, return_inverse=True)[1]" if (target % 1).any() else f'y{one}.astype("int64")'
    classes = f"write {whole} for y where it holds classes"
    column = "" if shape == y.shape else " and y[:, None] for y"
    return f"{classes}, loss=nn.MeanSquaredError(){column if y.shape[1] == 1 else ''} for regression"


def _out_of_range(target: Array, classes: int) -> str:
    low, high = int(target.min()), int(target.max())
    label = low if low < 0 else high
    return f"label {label} is out of range: the network has {classes} outputs, labels go from 0 to {classes - 1}"


def _range_remedy(criterion: Loss | Score, target: Array, y: Array) -> str:
    if y.shape[1] > 1:
        label, name = int(target.min()), f"{criterion.namespace}{type(criterion).__name__}"
        ignores = label < 0 and hasattr(criterion, "ignore_index")
        hint = f", or write {name}(ignore_index={label}) where that label means none" if ignores else ""
        return f"check the data or the last layer's size{hint}"
    return (
        "give the last layer an output for each class, or write y[:, None] for y and "
        "loss=nn.BinaryCrossEntropyWithLogits() for yes or no, loss=nn.MeanSquaredError() for numbers"
    )


def check_values(criterion: Loss | Score, target: Array, y: Array) -> None:
    """Targets are numbers, one for each output; False and True count as 0 and 1.

    Raises
    ------
    DataError
        naming the loss or score, the targets and the remedy.
    """
    if target.shape != y.shape or target.dtype.kind not in "biuf":
        raise DataError(
            f"{criterion!r} takes one number for each output as target: the targets have shape {target.shape} and "
            f"dtype {target.dtype}, the outputs shape {y.shape}: {_values_remedy(target, y)}"
        )
    _check_not_empty(y)


def _values_remedy(target: Array, y: Array) -> str:
    shape = target.shape
    if target.dtype.kind not in "biuf":
        return 'write y.astype("float32") for y'
    if len(shape) == 0 or shape[0] != len(y):
        return "give as many targets as samples"
    if len(shape) == 1 and y.shape[1:] == (1,):
        return "write y[:, None] for y, or give a table its target in a list, target=[...]"
    if y.ndim == 1 and target.size == len(y):
        return "write y.ravel() for y"
    if len(shape) == 1 and y.ndim == 2:
        last = "give the network one output and write y[:, None] for y where it holds numbers"
        classes = "write loss=nn.SoftmaxCrossEntropy() where y holds classes, or "
        return last if target.dtype.kind == "f" else classes + last
    if target.size == y.size:
        return f"write y.reshape({', '.join(map(str, (-1, *y.shape[1:])))}) for y"
    return f"give the last layer outputs of shape {shape[1:]} a sample"


def predicted_labels(y: Array) -> Array:
    """The column of the greatest output of each sample, (batch,); -1, which is no label, where an output is NaN."""
    found: Array = y.argmax(axis=1)
    if np.isnan(np.maximum.reduce(y, axis=None)):
        found[np.isnan(y).any(axis=1)] = -1
    return found


def first_not(good: Array, target: Array) -> str:
    """The first target where `good` is False, and its sample, in words."""
    index = tuple(int(i) for i in np.argwhere(~good)[0])
    return f"target {target[index]} of sample {index[0]}"


def _check_not_empty(y: Array) -> None:
    if y.size == 0:
        raise DataError(f"a batch without samples or outputs has no mean: the outputs have shape {y.shape}")
