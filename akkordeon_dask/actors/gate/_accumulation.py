"""The gradients of several batches on their way to one update."""

from typing import NamedTuple

import numpy as np

from akkordeon_dask.tree import STATISTICS, Array, Tree, join_leaves, map_leaves

__all__ = ["Accumulation", "Gradient"]


class Gradient(NamedTuple):
    """The gradient of one batch."""

    grads: Tree
    weight: float
    """Of its samples, all together, in the loss."""
    stale: Tree
    """The parameters of its forward pass, which have had so many updates:"""
    updates: int


class Accumulation(NamedTuple):
    """The gradients of some batches, summed. A value, replaced and never written into: it is part of a version."""

    grads: Tree
    """The sum of the gradients, each times the weight of its batch."""
    weight: float
    """The sum of the weights."""
    stale: Tree
    """The oldest of the parameters that they were computed with, which have had so many updates:"""
    updates: int
    batches: int

    @classmethod
    def empty(cls, params: Tree) -> "Accumulation":
        """One of the form that a gate with these parameters has."""
        return cls(_trained(params), 0.0, params, 0, 0)

    @classmethod
    def of(cls, before: "Accumulation | None", one: Gradient) -> "Accumulation":
        """With the gradient of one more batch.

        Its parameters' statistics stay out: they are observed, batch by batch.
        """
        grads = map_leaves(lambda g: _times(g, one.weight), _trained(one.grads))
        if before is None:
            return cls(grads, one.weight, one.stale, one.updates, 1)
        oldest = before if before.updates <= one.updates else one
        total = join_leaves(lambda old, new, _: np.asarray(old + new), before.grads, grads, grads)
        return cls(total, before.weight + one.weight, oldest.stale, oldest.updates, before.batches + 1)

    def mean(self) -> Gradient:
        """The mean gradient over all samples, with the oldest parameters; 0 where none has a weight."""
        weight = self.weight
        mean = map_leaves(lambda g: np.asarray(g / g.dtype.type(weight)) if weight else np.zeros_like(g), self.grads)
        return Gradient(mean, weight, self.stale, self.updates)


def _trained(tree: Tree) -> Tree:
    """Without what is observed."""
    if isinstance(tree, dict):
        return {key: _trained(child) for key, child in tree.items() if key != STATISTICS}
    return tree if isinstance(tree, np.ndarray) else tuple(map(_trained, tree))


def _times(g: Array, weight: float) -> Array:
    return np.asarray(g * g.dtype.type(weight))
