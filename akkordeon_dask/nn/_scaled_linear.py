"""Standardised bytes into an affine layer, in one piece."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask.memory import empty, scratch
from akkordeon_dask.nn._blocks import blocks
from akkordeon_dask.nn._column_sums import column_sums
from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context
from akkordeon_dask.nn._linear import Linear, LinearContext
from akkordeon_dask.nn._split_layer import SplitLayer
from akkordeon_dask.tree import Array, Tree

__all__ = ["ScaledLinear"]

_BLOCK = 4 * 1024 * 1024
"""Bytes of floating point that are made of the input at a time, so that memory stays bounded.

Blocks in the size of an L2 cache are no faster, and slower where two threads compute: each call of numpy is one more
time to wait for the interpreter. As many bytes as the weights have if that is more, for each block adds to a gradient
of their size.
"""


@dataclass(frozen=True, repr=False)
class ScaledLinear(SplitLayer):
    """`Scale(mean, std) >> Linear` on samples of one byte a feature: `y = (x @ w - mean * sum(w)) / std + b`.

    Mean and deviation are applied to the small output instead of the large input, and the context holds the bytes
    themselves, which the backward pass converts again: a quarter of the memory. A `Chain` puts it in the place of the
    two; parameters and gradients are pairs, as those of the two.

    Shapes
    ------
    x : (batch, in_features) bool, int8 or uint8; y : (batch, out_features)
    """

    draws: ClassVar[bool] = False

    mean: float
    std: float
    linear: Linear

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        its = params[1]
        w = its["w"]
        y = empty((len(x), self.linear.out_features), w.dtype)
        for rows, block in _blocks(x, w):
            np.matmul(block, w, out=y[rows])
        factor = w.dtype.type(1 / self.std)
        y *= factor
        shift = column_sums(w) * (-self.mean * factor)
        y += shift + its["b"] if self.linear.bias else shift
        return y, LinearContext(its, x)

    def input_gradient(self, context: Context, dy: Array, *, own: bool = False) -> Array:
        w = context.params["w"]
        dx: Array = np.matmul(dy, w.T * w.dtype.type(1 / self.std))
        return dx

    def parameter_gradients(self, context: Context, dy: Array) -> Tree:
        its, x = context
        w = its["w"]
        dw: Array | None = None
        for rows, block in _blocks(x, w):
            part = np.matmul(block.T, dy[rows], out=empty(w.shape, w.dtype))
            dw = part if dw is None else np.add(dw, part, out=dw)
        if dw is None:
            dw = np.zeros(w.shape, w.dtype)
        sums, factor = column_sums(dy), w.dtype.type(1 / self.std)
        dw -= sums * w.dtype.type(self.mean)
        dw *= factor
        return {}, ({"w": dw, "b": sums} if self.linear.bias else {"w": dw})

    def rebind(self, context: Context, params: Tree) -> Context:
        return LinearContext(params[1], context.x)


def _blocks(x: Array, w: Array) -> Iterator[tuple[slice, Array]]:
    """The samples as floating point, some rows at a time in one buffer."""
    buffer: Array | None = None
    for some in blocks(len(x), x.shape[1] * w.itemsize, max(_BLOCK, w.nbytes)):
        if buffer is None:
            buffer = scratch(x[some].shape, w.dtype)
        block = buffer[: some.stop - some.start]
        np.copyto(block, x[some])
        yield some, block
