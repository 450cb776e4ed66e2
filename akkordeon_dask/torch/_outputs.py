"""Checks after a forward pass: it leaves one tensor to pass on, a way back, and buffers of the form they had."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from akkordeon_dask._repr import shape_text
from akkordeon_dask.errors import ShapeError, SpecError
from akkordeon_dask.tree import Array

__all__ = ["check_buffers", "check_output", "check_way_back"]


def check_output(title: str, y: Any, x: torch.Tensor) -> torch.Tensor:
    """The output, which is one dense tensor of real numbers with a row for each sample.

    Raises
    ------
    ShapeError
        it is anything else, or whole numbers made of floating point.
    """
    if not isinstance(y, torch.Tensor):
        what = f"{len(y)} values" if isinstance(y, tuple | list | dict) else f"{y!r:.80}"
        raise ShapeError(
            f"{title} gives a {type(y).__name__} of {what}: gates pass one tensor on; wrap the module in one whose "
            "forward returns a single tensor"
        )
    if y.is_nested or y.layout != torch.strided:
        layout = "nested" if y.is_nested else str(y.layout).removeprefix("torch.")
        raise ShapeError(f"{title} gives a {layout} tensor: gates pass dense ones on, end the module with .to_dense()")
    if y.is_meta:
        raise ShapeError(f"{title} gives a tensor without values, on the 'meta' device: make it on the input's device")
    if y.ndim == 0 or len(y) != len(x):
        shape = tuple(y.shape)
        raise ShapeError(f"{title} gives shape {shape} for {len(x)} samples: the first axis is the batch")
    if y.is_complex() or (x.is_floating_point() and not y.is_floating_point()):
        dtype = str(y.dtype).removeprefix("torch.")
        raise ShapeError(f"{title} gives {dtype}: gates pass floating point on, through which gradients come back")
    return y


def check_way_back(title: str, y: torch.Tensor, trained: Sequence[str]) -> None:
    """Refuse an output that depends on none of the trained parameters, nor on the input, as far as autograd knows.

    Raises
    ------
    SpecError
        there are parameters to train.
    """
    if trained and not y.requires_grad:
        raise SpecError(
            f"{title} trains {trained[0]!r} and computes without gradients (no_grad, detach or the like): nothing is "
            "learned so; leave that out, or freeze the parameters by requires_grad_(False)"
        )


def check_buffers(title: str, before: Mapping[str, Array], after: Mapping[str, Array]) -> None:
    """Refuse buffers that have changed their form.

    Raises
    ------
    SpecError
        names the buffer: snapshots and moves rely on it.
    """
    for name, old in before.items():
        new = after[name]
        if new.shape != old.shape or new.dtype != old.dtype:
            raise SpecError(
                f"{title} turns its buffer {name!r} from {old.dtype} of shape {shape_text(old.shape)} into "
                f"{new.dtype} of shape {shape_text(new.shape)}: keep its form, and give it its greatest shape at once"
            )
