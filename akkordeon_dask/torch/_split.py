"""A sequential module as a network."""

from collections import OrderedDict
from collections.abc import Iterable
from itertools import pairwise

import torch

from akkordeon_dask._numbers import check_int
from akkordeon_dask._repr import check_shape
from akkordeon_dask.errors import SpecError
from akkordeon_dask.network import Gate, Network
from akkordeon_dask.nn import Shape
from akkordeon_dask.optim import Optimizer
from akkordeon_dask.torch._checks import check_module
from akkordeon_dask.torch._module import TorchModule
from akkordeon_dask.torch._template import named_tensors

__all__ = ["split_module"]

_CODE = "forward", "__call__", "train"
"""Methods of a module that its children compute what they do by."""

_OWN = "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_buffers", "_parameters"
"""Attributes in which a module has something beside its children."""


def split_module(
    module: torch.nn.Module, optimizer: Optimizer, *, at: Iterable[str] | None = None, parts: int | None = None,
    shape: Shape | None = None,
) -> Network:  # fmt: skip
    """A network of gates, each of which holds some children of an `nn.Sequential`, under their own names.

    Together the gates' states are the module's: `running.save` writes a file that the module loads. The module is
    copied. A gate is named as its first child; one that is numbered, as `layer4`.

    Parameters
    ----------
    module
        an `nn.Sequential`.
    optimizer
        of each gate.
    at
        the names of the children that gates but the first one begin with.
    parts
        instead of `at`: the number of gates, at least 1; the costliest one costs as little as possible.
    shape
        of a sample: then costs are multiply-adds, else numbers of parameters.

    Raises
    ------
    SpecError
        when it cannot be cut so: says why.

    Examples
    --------
    >>> import torch
    >>> from akkordeon_dask import optim
    >>> from akkordeon_dask.torch import split_module
    >>> model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> split_module(model, optim.SGD(0.1), at=["2"]).names
    ('layer0', 'layer2')
    """
    children, shape = _children(module), check_shape(shape)
    if (at is None) == (parts is None):
        raise SpecError("split_module takes at=[names] or parts=number, one of the two")
    if at is not None:
        starts = _starts(list(children), at)
    else:
        starts = _balanced(_costs(children, shape), _checked_parts(parts, len(children)))
    names = list(children)
    pieces = [OrderedDict((name, children[name]) for name in names[a:b]) for a, b in pairwise([*starts, len(names)])]
    _check_ties(pieces)
    check_module(module, type(module).__name__)  # pieces share no memory
    return Network(_gate(piece, optimizer, training=module.training) for piece in pieces)


def _children(module: torch.nn.Module) -> dict[str, torch.nn.Module]:
    if not isinstance(module, torch.nn.Module):
        raise SpecError(f"split_module takes a torch.nn.Module, not {module!r:.80}")
    title = type(module).__name__
    for name in _CODE:
        plain = isinstance(module, torch.nn.Sequential) and name not in vars(module)
        if not plain or getattr(type(module), name) is not getattr(torch.nn.Sequential, name):
            raise SpecError(
                f"{title} cannot be cut: its {name} is code of its own, and only that of nn.Sequential is known to "
                "call one child after the other: write it as nn.Sequential, or make a TorchModule of each piece"
            )
    if any(getattr(module, name) for name in _OWN):
        raise SpecError(f"{title} cannot be cut: it has hooks, parameters or buffers of its own beside its children")
    if missing := [name for name, child in module._modules.items() if child is None]:
        raise SpecError(f"{title} cannot be cut: its child {missing[0]!r} is None, which computes nothing")
    children = dict(module.named_children())
    if not children:
        raise SpecError(f"{title} cannot be cut: it has no children, and a gate holds at least one")
    if len(children) != len(module):
        raise SpecError(f"{title} cannot be cut: it has one child at two places, whose gates would share parameters")
    return children


def _starts(names: list[str], at: Iterable[str]) -> list[int]:
    given = at
    at = list(at) if isinstance(at, Iterable) else [at]
    if isinstance(given, str) or not all(isinstance(name, str) for name in at):
        raise SpecError(f"split_module takes the names of children, at=['head'], not {given!r:.80}")
    if unknown := [name for name in at if name not in names]:
        raise SpecError(f"there is no child {unknown[0]!r} to cut at: the children are {', '.join(names)}")
    starts = [0, *(names.index(name) for name in at)]
    if sorted(set(starts)) != starts:
        raise SpecError(f"the names to cut at are in the order of the children, without the first one, not {at!r:.80}")
    return starts


def _checked_parts(parts: object, most: int) -> int:
    number = check_int("parts of split_module", parts, 1)
    if number > most:
        raise SpecError(f"the module has {most} children: it cannot be cut into {number} parts")
    return number


def _costs(children: dict[str, torch.nn.Module], shape: Shape | None) -> list[int]:
    costs = []
    for child in children.values():
        layer = TorchModule(child)
        costs.append(layer.multiply_adds(shape))
        shape = layer.output_shape(shape)
    return costs


def _balanced(costs: list[int], parts: int) -> list[int]:
    """The first children of `parts` runs whose greatest sum is as small as it can be."""
    # By the end of the runs: the least greatest sum of so many runs, and their starts.
    best = {end: (sum(costs[:end]), [0]) for end in range(1, len(costs) + 1)}
    for count in range(2, parts + 1):
        best = {
            end: min(
                (max(best[start][0], sum(costs[start:end])), [*best[start][1], start])
                for start in range(count - 1, end)
            )
            for end in range(count, len(costs) + 1)
        }
    return best[len(costs)][1]


def _check_ties(pieces: list[OrderedDict[str, torch.nn.Module]]) -> None:
    owner: dict[int, tuple[int, str]] = {}
    for number, piece in enumerate(pieces):
        for _, _, name, tensor in named_tensors(torch.nn.Sequential(piece)):
            first, other = owner.setdefault(id(tensor), (number, name))
            if first != number:
                raise SpecError(f"{name!r} is the same tensor as {other!r}: put both into one gate")


def _gate(piece: OrderedDict[str, torch.nn.Module], optimizer: Optimizer, *, training: bool) -> Gate:
    first = next(iter(piece))
    name = f"layer{first}" if first.isdecimal() else first
    module = torch.nn.Sequential(piece)
    module.training = training
    return Gate(TorchModule(module), optimizer, name=name)
