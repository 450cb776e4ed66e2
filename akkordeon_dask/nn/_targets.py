"""Checks of targets against outputs."""

import numpy as np

from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = ["check_labels", "check_values", "first_not"]


def check_labels(target: Array, y: Array) -> None:
    """Labels are whole numbers that name a column of the output, one for each row.

    Raises
    ------
    DataError
        naming the value that does not.
    """
    if y.ndim != 2 or target.shape != y.shape[:1] or target.dtype.kind not in "iu":
        raise DataError(
            f"labels are one whole number a sample, outputs one row of classes a sample: the outputs have shape "
            f"{y.shape}, the labels shape {target.shape} and dtype {target.dtype}"
        )
    _check_not_empty(y)
    unsigned = target.view(target.dtype.str.replace("i", "u"))  # where what is below zero is great
    if unsigned.max() >= y.shape[1]:
        low, high = int(target.min()), int(target.max())
        raise DataError(
            f"label {low if low < 0 else high} is out of range: the network has {y.shape[1]} outputs, "
            f"labels go from 0 to {y.shape[1] - 1}: check the data or the last layer's size"
        )


def check_values(target: Array, y: Array) -> None:
    """Targets are numbers, one for each output.

    Raises
    ------
    DataError
        when they are not.
    """
    if target.shape != y.shape or target.dtype.kind not in "biuf":
        raise DataError(
            f"targets are one number for each output: the outputs have shape {y.shape}, "
            f"the targets shape {target.shape} and dtype {target.dtype}: reshape or convert the targets"
        )
    _check_not_empty(y)


def first_not(good: Array, target: Array) -> str:
    """The first target where `good` is False, and where it stands, in words."""
    place = tuple(int(i) for i in np.argwhere(~good)[0])
    return f"target {target[place]} of sample {place[0]}"


def _check_not_empty(y: Array) -> None:
    if y.size == 0:
        raise DataError(f"a batch without samples or outputs has no mean: the outputs have shape {y.shape}")
