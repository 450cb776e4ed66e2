"""The steps of a chain, some of which do the work of two layers."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from akkordeon_dask.nn._layer import Layer
from akkordeon_dask.nn._linear import Linear
from akkordeon_dask.nn._scale import Scale
from akkordeon_dask.nn._scaled_linear import ScaledLinear
from akkordeon_dask.tree import Tree

__all__ = ["ExecutionPlan", "Step", "plan"]

_MOST_DEVIATIONS = 16
"""A mean of so many deviations costs 4 of float32's 24 binary digits where it is taken off the products."""


class Step(NamedTuple):
    """A layer at its position in the chain, or a fused one for two layers with the parameters of both.

    The layer's answers are asked for once: a chain walks its steps for each batch.
    """

    position: int
    layer: Layer
    fused: bool
    views: bool
    keeps_output: bool
    draws: bool
    splits: bool
    """The layer's backward pass has two halves."""

    def of(self, tree: Tree) -> Tree:
        """This step's part of the chain's parameters."""
        return tree[self.position : self.position + 2] if self.fused else tree[self.position]


class ExecutionPlan(NamedTuple):
    """The steps for input that is bytes (bool among them), where two layers may become one, and for any other input."""

    bytes: tuple[Step, ...]
    other: tuple[Step, ...]
    no_grads: tuple[Tree, ...]
    """For each layer without parameters the form of its gradients."""
    first_trained: int
    """The position of the first layer with parameters; where there is none, that behind the last layer."""
    draws: bool
    observes: bool
    waits: bool

    def steps(self, dtype: np.dtype[Any]) -> tuple[Step, ...]:
        """Those for input of `dtype`."""
        return self.bytes if dtype.itemsize == 1 and dtype.kind in "biu" else self.other


def plan(layers: tuple[Layer, ...]) -> ExecutionPlan:
    """The execution plan of a chain of `layers`."""
    other = [_step(position, layer) for position, layer in enumerate(layers)]
    steps = list(other)
    for position, (scale, linear) in enumerate(pairwise(layers)):
        if (both := _fused(scale, linear)) is not None:
            steps[position : position + 2] = [_step(position, both, fused=True)]
            break  # behind it there are no bytes
    rng = np.random.default_rng(0)
    no_grads = tuple(None if layer.trainable else layer.init(rng) for layer in layers)
    trained = [position for position, layer in enumerate(layers) if layer.trainable]
    first = min(trained, default=len(layers))
    draws, observes, waits = (any(getattr(layer, name) for layer in layers) for name in ("draws", "observes", "waits"))
    return ExecutionPlan(tuple(steps), tuple(other), no_grads, first, draws, observes, waits)


def _fused(scale: Layer, linear: Layer) -> ScaledLinear | None:
    """One layer for the two; None where they stay two."""
    # A user's subclass may do something else.
    if type(scale) is not Scale or type(linear) is not Linear:
        return None
    mean, std = scale.mean, scale.std
    if not (isinstance(mean, int | float) and isinstance(std, int | float)):
        return None
    # The fused layer takes the mean off after the product.
    return ScaledLinear(mean, std, linear) if abs(mean) <= _MOST_DEVIATIONS * std else None


def _step(position: int, layer: Layer, *, fused: bool = False) -> Step:
    splits = type(layer).split_backward is not Layer.split_backward
    return Step(position, layer, fused, layer.views, layer.keeps_output, layer.draws, splits)
