"""A layer that counts the rows which a gate was updated with; importable on every worker."""

from dataclasses import dataclass

import numpy as np

from akkordeon_dask import nn
from akkordeon_dask.tree import STATISTICS


@dataclass(frozen=True, repr=False)
class RowCounter(nn.Layer):
    """Hands on `x`, whose first column is the number of the row, without that number; counts the updates of each."""

    rows: int

    def init(self, rng, dtype=np.float32):
        return {"w": np.zeros(1, dtype), STATISTICS: {"updates": np.zeros(self.rows, np.float64)}}

    def output_shape(self, shape):
        return (shape[0] - 1,)

    def forward(self, params, x, *, train=False, key=None, own=False):
        return x[:, 1:] + 0, x[:, 0].astype(np.int64)

    def backward(self, context, dy, *, need_dx=True, own=False):
        updates = np.bincount(context, minlength=self.rows).astype(np.float64)
        dx = np.concatenate([np.zeros((len(dy), 1), dy.dtype), dy], axis=1) if need_dx else None
        return dx, {"w": np.zeros(1, dy.dtype), STATISTICS: {"updates": updates}}

    def rebind(self, context, params):
        return context

    @property
    def trainable(self):
        return True

    @property
    def observes(self):
        return True

    def advance(self, params, grads):
        updates = params[STATISTICS]["updates"] + grads[STATISTICS]["updates"]
        return {**params, STATISTICS: {"updates": updates}}
