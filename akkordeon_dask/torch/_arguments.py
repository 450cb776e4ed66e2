"""Arguments of a module's factory as values: they compare, and make new objects each time."""

from collections.abc import Callable, Iterable, Iterator
from typing import cast

import numpy as np
import torch

from akkordeon_dask.errors import SpecError
from akkordeon_dask.torch._checks import check_memory, check_module
from akkordeon_dask.torch._template import Template, named_tensors

__all__ = ["as_value", "check_ties", "made", "same"]


def check_ties(arguments: object) -> None:
    """Refuse modules among arguments that share a tensor: each is copied by itself, and the copies would not.

    Raises
    ------
    SpecError
        names the tensor in both modules.
    """
    owner: dict[int, tuple[int, str]] = {}
    named = list[tuple[str, torch.Tensor]]()
    for number, module in enumerate(_modules(arguments)):
        for _, _, name, tensor in named_tensors(module):
            title = f"{name!r} of {type(module).__name__}"
            named.append((title, tensor))
            first, other = owner.setdefault(id(tensor), (number, title))
            if first != number:
                raise SpecError(
                    f"TorchModule copies each module among its arguments by itself, and {title} in one is the same "
                    f"tensor as {other} in another: make the whole in a function, TorchModule(make)"
                )
    check_memory("TorchModule's arguments", named)


def _modules(value: object) -> Iterator[torch.nn.Module]:
    if isinstance(value, torch.nn.Module):
        yield value
    elif type(value) in (list, tuple, dict):
        for its in value.values() if isinstance(value, dict) else cast(Iterable[object], value):
            yield from _modules(its)


def as_value(argument: object) -> object:
    """An argument as it is kept, also in a list, tuple or dict: nobody who has it can change it any more.

    A module is copied, and compares and pickles with its weights; tensors and arrays are copied too.

    Raises
    ------
    SpecError
        a module cannot be copied, or its tensors cannot be a version's.
    """
    if isinstance(argument, torch.nn.Module):
        check_module(argument, type(argument).__name__)
        return Template.of(argument)
    if isinstance(argument, torch.Tensor):
        copy = argument.detach().clone().requires_grad_(argument.requires_grad)
        return torch.nn.Parameter(copy, copy.requires_grad) if isinstance(argument, torch.nn.Parameter) else copy
    return argument.copy() if isinstance(argument, np.ndarray) else _mapped(as_value, argument)


def made(value: object) -> object:
    """The argument that the factory is called with."""
    return value() if isinstance(value, Template) else _mapped(made, value)


def _mapped(function: Callable[[object], object], value: object) -> object:
    """A list, tuple or dict, of no class of a user's, with the function applied to what it holds."""
    if isinstance(value, dict) and type(value) is dict:
        return {key: function(its) for key, its in value.items()}
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)([function(its) for its in value])
    return value


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
