"""Weights of the classes in a loss."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from akkordeon_dask._numbers import check_int, check_number
from akkordeon_dask.errors import DataError, SpecError
from akkordeon_dask.tree import Array

__all__ = ["ClassWeight", "check_class_weight", "check_labels_weighed", "weigh_classes"]

ClassWeight: TypeAlias = tuple[float, ...] | tuple[tuple[int, float], ...]
"""One number for each label; or pairs of a label and its weight, where other labels weigh 1."""


def check_class_weight(value: Mapping[int, float] | Sequence[float] | ClassWeight) -> ClassWeight:
    """Class weights as a tuple.

    Raises
    ------
    SpecError
        when it is neither a mapping nor a sequence of numbers of at least 0, or all of a sequence are 0, or it has
        labels of its own, as a Series: quotes it.

    Examples
    --------
    >>> check_class_weight({1: 5})
    ((1, 5),)
    """
    said: Any = value.items() if isinstance(value, Mapping) else value
    is_labelled = hasattr(said, "to_dict")  # list() would lose its labels
    try:
        items = [] if is_labelled or isinstance(said, str | set | frozenset) else list(said)
    except TypeError:
        items = []
    if not items:
        remedy = ": of a Series write .to_dict()" if is_labelled else ""
        raise SpecError(
            f"class_weight is a mapping like {{0: 1, 1: 5}}, or one number for each label, not {value!r}{remedy}"
        )
    if isinstance(value, Mapping) or all(isinstance(item, tuple | list) and len(item) == 2 for item in items):
        return tuple((check_int("a label of class_weight", label, 0), _weight(weight)) for label, weight in items)
    weights = tuple(map(_weight, items))
    if not any(weights):
        raise SpecError(f"class_weight={value!r:.80}: all labels weigh 0, so that no sample counts: give one more")
    return weights


def check_labels_weighed(class_weight: ClassWeight, classes: int) -> None:
    """Check that weights are of labels that there are.

    Raises
    ------
    SpecError
        when one is of another label: names it.
    """
    pairs = isinstance(class_weight[0], tuple)
    labels: list[Any] = [pair[0] for pair in class_weight] if pairs else list(range(len(class_weight)))  # type: ignore[index]
    if (greatest := max(labels)) >= classes:
        raise SpecError(
            f"class_weight has a weight for label {greatest}, and the network {classes} outputs, for labels 0 to "
            f"{classes - 1}: leave that weight out"
        )


def weigh_classes(
    class_weight: ClassWeight, target: Array, weights: Array | None, *, ignored: int | None = None
) -> Array:
    """The weight of each label, in the shape of `target`, times that of its sample; of an `ignored` one, 0.

    Raises
    ------
    DataError
        where a label has no weight, or is no whole number.

    Examples
    --------
    >>> weigh_classes((1.0, 3.0), np.array([0, 1, 1]), np.array([1.0, 1.0, 2.0])).tolist()
    [1.0, 3.0, 6.0]
    """
    if target.dtype.kind not in "iub":
        raise DataError(f"class_weight weighs labels, and the targets are {target.dtype}: leave class_weight out")
    found, index = np.unique(target, return_inverse=True)
    its = np.array([0.0 if label == ignored else _of_label(class_weight, int(label)) for label in found])[
        index
    ].reshape(target.shape)
    return its if weights is None else its * weights.reshape(-1, *[1] * (target.ndim - 1))


def _of_label(class_weight: ClassWeight, label: int) -> float:
    if isinstance(class_weight[0], tuple):
        pairs: Any = class_weight
        return float(dict(pairs).get(label, 1.0))
    if label >= len(class_weight):
        raise DataError(f"class_weight={class_weight!r} has no weight for label {label}: give one for each label")
    weight: Any = class_weight[max(label, 0)]  # the loss refuses a label below 0
    return float(weight)


def _weight(value: Any) -> float:
    return check_number("a weight of class_weight", value, least=0)
