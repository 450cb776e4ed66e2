"""Arguments of a module's factory as values: they compare, and make new objects each time."""

import numpy as np
import torch

from akkordeon_dask.torch._checks import check_module
from akkordeon_dask.torch._template import Template

__all__ = ["as_value", "made", "same"]


def as_value(argument: object) -> object:
    """An argument as it is kept: a module is copied, and compares and pickles with its weights.

    Raises
    ------
    SpecError
        a module cannot be copied, or its tensors cannot be a version's.
    """
    if not isinstance(argument, torch.nn.Module):
        return argument
    check_module(argument, type(argument).__name__)
    return Template.of(argument)


def made(value: object) -> object:
    """The argument that the factory is called with."""
    return value() if isinstance(value, Template) else value


def same(one: object, other: object) -> bool:
    """Two arguments, or collections of them, are equal; tensors and arrays by dtype, shape and content."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and bool(torch.equal(one, other))
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, tuple | list) and type(one) is type(other):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and type(one) is type(other):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    return bool(one == other)
