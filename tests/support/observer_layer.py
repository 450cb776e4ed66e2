"""A layer that observes, for tests of what a composite hands on."""

from dataclasses import dataclass

import numpy as np

from akkordeon_dask import nn
from akkordeon_dask.tree import STATISTICS


@dataclass(frozen=True, repr=False)
class Observer(nn.Layer):
    """`y = w * x`; it observes the largest number of a batch, and keeps the largest of all batches."""

    def init(self, rng, dtype=np.float32):
        return {"w": np.ones(1, dtype), STATISTICS: {"most": np.zeros(1, dtype)}}

    def forward(self, params, x, *, train=False, key=None, own=False):
        return params["w"] * x, (params, x)

    def backward(self, context, dy, *, need_dx=True, own=False):
        params, x = context
        grads = {"w": np.sum(x * dy, keepdims=True).reshape(1), STATISTICS: {"most": x.max(keepdims=True).reshape(1)}}
        return (params["w"] * dy if need_dx else None), grads

    def rebind(self, context, params):
        return params, context[1]

    @property
    def trainable(self):
        return True

    @property
    def observes(self):
        return True

    def advance(self, params, grads):
        most = np.maximum(params[STATISTICS]["most"], grads[STATISTICS]["most"])
        return {**params, STATISTICS: {"most": most}}
