"""The movement of buffers with an update."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import torch

from akkordeon_dask.tree import Array

__all__ = ["Mover", "moved", "movers"]

Mover: TypeAlias = Callable[[Array, Array, Array], Array]
"""Of a buffer that is there, and its values in front of and behind a batch's forward pass: its next value."""


def movers(module: torch.nn.Module) -> dict[str, Mover]:
    """For the running statistics of normalisations, by name, the rule that they move by."""
    rules: dict[str, Mover] = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        if not isinstance(part, torch.nn.modules.batchnorm._NormBase):
            continue
        for name in ("running_mean", "running_var"):
            if part.momentum is not None:
                rules[f"{prefix}.{name}".lstrip(".")] = _averaged(1 - part.momentum, positive=name == "running_var")
        rules[f"{prefix}.num_batches_tracked".lstrip(".")] = lambda now, before, after: now + (after - before)
    return rules


def _averaged(kept: float, *, positive: bool) -> Mover:
    """An average of which each batch keeps the same share, so that batches add up whatever they began with."""

    def move(now: Array, before: Array, after: Array) -> Array:
        new = after + now.dtype.type(kept) * (now - before)
        return np.asarray(np.maximum(new, 0) if positive else new)

    return move


def moved(rules: Mapping[str, Mover], name: str, now: Array, before: Array, after: Array) -> Array:
    """A buffer's next value, once the update by a batch is made.

    One that has not changed since the forward pass becomes what that pass left, bit for bit. Otherwise running
    statistics move by the batch, and any other buffer becomes what the pass left if it changed it.
    """
    if now is before or np.array_equal(now, before):
        return after
    if name in rules:
        return np.asarray(rules[name](now, before, after), now.dtype)
    return now if np.array_equal(before, after) else after
