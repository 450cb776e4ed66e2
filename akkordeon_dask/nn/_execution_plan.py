"""What a chain does, step by step."""

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
    """A layer at its place, or one that does the work of two: its parameters are then theirs, as a pair."""

    place: int
    layer: Layer
    fused: bool = False

    def of(self, tree: Tree) -> Tree:
        """This step's part of the chain's parameters."""
        return tree[self.place : self.place + 2] if self.fused else tree[self.place]


class ExecutionPlan(NamedTuple):
    """The steps for input that is bytes (bool among them), where two layers may become one, and for any other input."""

    bytes: tuple[Step, ...]
    other: tuple[Step, ...]
    no_grads: tuple[Tree, ...]
    """For each layer without parameters the form of its gradients."""

    def steps(self, dtype: np.dtype[Any]) -> tuple[Step, ...]:
        """Those for input of `dtype`."""
        return self.bytes if dtype.itemsize == 1 and dtype.kind in "biu" else self.other


def plan(layers: tuple[Layer, ...]) -> ExecutionPlan:
    """What a chain of `layers` does."""
    other = [Step(place, layer) for place, layer in enumerate(layers)]
    steps = list(other)
    for place, (scale, linear) in enumerate(pairwise(layers)):
        # Not of a user's subclass, which may do something else; and what is fused takes the mean off after the product.
        if type(scale) is Scale and type(linear) is Linear and abs(scale.mean) <= _MOST_DEVIATIONS * scale.std:
            steps[place : place + 2] = [Step(place, ScaledLinear(scale, linear), fused=True)]
            break  # behind it there are no bytes
    rng = np.random.default_rng(0)
    return ExecutionPlan(
        tuple(steps), tuple(other), tuple(None if layer.trainable else layer.init(rng) for layer in layers)
    )
