"""Shapes and costs of a module and what it takes, found without memory or numbers."""

import re

import torch
from torch.utils.flop_counter import FlopCounterMode

from akkordeon_dask._repr import shape_text
from akkordeon_dask.errors import ShapeError
from akkordeon_dask.nn import Shape
from akkordeon_dask.torch._blueprint import Blueprint

__all__ = ["cost", "shape_behind", "takes_indices"]

_BATCH = 3
"""Samples of a trial."""
_TRIED = (4,), (4, 4), (3, 8, 8)
"""Shapes of samples for a module of which nothing is known."""
_NO_INDEX = re.compile(r"\b(index|indices)\b.*\b(long|int|longtensor|int64)\b|\b(int64|long)\b.*\bindex\b", re.I | re.S)
"""The error of PyTorch where floating point looks something up."""


def shape_behind(blueprint: Blueprint, title: str, shape: Shape | None) -> Shape | None:
    """The shape of a sample behind the module; None where it is not known, or the module cannot be tried so.

    Raises
    ------
    ShapeError
        when no samples of `shape` can go in, or the module gives anything but one tensor.
    """
    y = _tried(blueprint, title, shape)
    if y is None:
        return None
    if not isinstance(y, torch.Tensor):
        raise ShapeError(f"{title} gives a {type(y).__name__}: gates pass one tensor on; wrap it in a module that does")
    if y.ndim == 0 or len(y) != _BATCH:
        raise ShapeError(f"{title} gives shape {tuple(y.shape)} for {_BATCH} samples: the first axis is the batch")
    return tuple(y.shape[1:])


def cost(blueprint: Blueprint, title: str, shape: Shape | None) -> int:
    """Multiply-adds of products and convolutions for one sample; where they are not known, the number of parameters."""
    with FlopCounterMode(display=False) as counter:
        _tried(blueprint, title, shape)
    counted = int(counter.get_total_flops()) // (2 * _BATCH)
    return counted or sum(blueprint.tensors[name].numel() for name in blueprint.trained)


def takes_indices(blueprint: Blueprint) -> bool:
    """Whether the module refuses floating point, for it looks numbers up by its input, as an embedding does.

    False where that is not known.
    """
    module, refusals = blueprint.on_meta, list[str]()
    for shape in _TRIED:
        try:
            with torch.no_grad():
                module(torch.empty((_BATCH, *shape), device="meta"))
        except Exception as error:  # of the module, or of a user's code
            refusals.append(str(error))
        else:
            return False
    return any(map(_NO_INDEX.search, refusals))


def _tried(blueprint: Blueprint, title: str, shape: Shape | None) -> object:
    """The output for floating point, or else for whole numbers; None where that is not known."""
    if shape is None or None in shape:
        return None
    module, errors = blueprint.on_meta, list[Exception]()
    for dtype in (torch.float32, torch.int64):
        x = torch.empty((_BATCH, *(size or 0 for size in shape)), dtype=dtype, device="meta")
        try:
            with torch.no_grad():
                y: object = module(x)
        except NotImplementedError:
            return None
        except Exception as error:  # of the module, or of a user's code
            errors.append(error)
            continue
        return y
    of_numbers, of_words = errors
    refusal = of_words if "indices" in str(of_numbers) else of_numbers
    if "meta" in str(refusal) or "item()" in str(refusal):
        return None
    text = str(refusal).strip().partition("\n")[0]
    raise ShapeError(f"{title} cannot take samples of shape {shape_text(shape)}: {text:.300}") from refusal
