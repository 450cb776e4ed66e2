"""Standardisation with fixed numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from akkordeon_dask._numbers import keep_number
from akkordeon_dask.errors import ShapeError
from akkordeon_dask.memory import empty, empty_like
from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context, Layer
from akkordeon_dask.tree import Array, Tree

__all__ = ["Scale"]

_CHUNK = 2 * 1024 * 1024
"""Bytes of output that are worked on at a time: they stay in a core's L2 cache between the operations."""


@dataclass(frozen=True, repr=False)
class Scale(Layer):
    """`y = (x - mean) / std`, computed as `(x - mean) * (1 / std)`.

    The place where whole numbers (images) become floating point.

    Parameters
    ----------
    mean, std
        of the data, in the data's units; `std` above 0.

    Shapes
    ------
    x : (batch, ...) integer or float; y : (batch, ...), float32 for integers, else the dtype of `x`
    """

    mean: float
    std: float

    def __post_init__(self) -> None:
        keep_number(self, "mean")
        keep_number(self, "std", above=0)

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        dtype = self.output_dtype(x.dtype)
        y = x if own and x.dtype == dtype else empty(x.shape, dtype)
        rows = max(1, _CHUNK * len(y) // max(1, y.nbytes))
        factor = 1 / self.std
        for start in range(0, len(y), rows):
            part = y[start : start + rows]
            if y is not x:
                np.copyto(part, x[start : start + rows])
            part -= self.mean
            part *= factor
        return y, None

    def backward(
        self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False
    ) -> tuple[Array | None, Tree]:
        if not need_dx:
            return None, {}
        return np.multiply(dy, 1 / self.std, out=dy if own else empty_like(dy)), {}

    def output_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        if dtype.kind not in "iuf":
            raise ShapeError(f"{self!r} takes integers or floating point, not {dtype}")
        return dtype if dtype.kind == "f" else np.dtype(np.float32)
