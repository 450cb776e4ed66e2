"""The movement of buffers with an update."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import torch

from akkordeon_dask.tree import Array

__all__ = ["Mover", "moved", "movers"]

Buffers: TypeAlias = Mapping[str, Array]
Mover: TypeAlias = Callable[[Buffers, Buffers, Buffers], Array]
"""Of the buffers that are there, and those in front of and behind a batch's forward pass: the next value of one."""


def movers(module: torch.nn.Module) -> dict[str, Mover]:
    """For the running statistics of normalisations, by name, the rule that they move by."""
    rules: dict[str, Mover] = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        if not isinstance(part, torch.nn.modules.batchnorm._NormBase):
            continue
        count = f"{prefix}.num_batches_tracked".lstrip(".")
        for name in ("running_mean", "running_var"):
            path, positive = f"{prefix}.{name}".lstrip("."), name == "running_var"
            if part.momentum is None:
                rules[path] = _averaged_over_all(path, count, positive=positive)
            else:
                rules[path] = _averaged(path, 1 - part.momentum, positive=positive)
        rules[count] = _counted(count)
    return rules


def _averaged(name: str, kept: float, *, positive: bool) -> Mover:
    """An average of which each batch keeps the same share, so that batches add up whatever they began with."""

    def move(now: Buffers, before: Buffers, after: Buffers) -> Array:
        new = after[name] + now[name].dtype.type(kept) * (now[name] - before[name])
        return np.asarray(np.maximum(new, 0) if positive else new)

    return move


def _averaged_over_all(name: str, count: str, *, positive: bool) -> Mover:
    """The mean of all batches, whichever of them were in flight together."""

    def move(now: Buffers, before: Buffers, after: Buffers) -> Array:
        former, seen, there = (float(its[count]) for its in (before, after, now))
        batches = after[name] * seen - before[name] * former  # the sum of those of one forward pass
        new = (now[name] * there + batches) / (there + seen - former)
        return np.asarray(np.maximum(new, 0) if positive else new)

    return move


def _counted(name: str) -> Mover:
    return lambda now, before, after: now[name] + (after[name] - before[name])


def moved(rules: Mapping[str, Mover], name: str, now: Buffers, before: Buffers, after: Buffers) -> Array:
    """A buffer's next value, once the update by a batch is made.

    One that has not changed since the forward pass becomes what that pass left, bit for bit. Otherwise running
    statistics move by the batch, and any other buffer becomes what the pass left if it changed it.
    """
    if now[name] is before[name] or np.array_equal(now[name], before[name]):
        return after[name]
    if np.array_equal(before[name], after[name]):  # the batch went another way
        return now[name]
    return np.asarray(rules[name](now, before, after), now[name].dtype) if name in rules else after[name]
