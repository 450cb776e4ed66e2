"""The table of modules that have to keep the laws; importable on every worker."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn as tnn

from akkordeon_dask import nn
from akkordeon_dask.torch import TorchModule
from akkordeon_dask.tree import leaves, map_leaves

KEY = nn.Key((20, 26))


class Recurrent(tnn.Module):
    """The outputs of a recurrent layer, without its last state."""

    def __init__(self, kind, *sizes, **options):
        super().__init__()
        self.inner = kind(*sizes, batch_first=True, **options)

    def forward(self, x):
        return self.inner(x)[0]


class SelfAttention(tnn.Module):
    """Attention of a sequence to itself, without the weights."""

    def __init__(self, features, heads, dropout=0.0):
        super().__init__()
        self.inner = tnn.MultiheadAttention(features, heads, dropout=dropout, batch_first=True)

    def forward(self, x):
        return self.inner(x, x, x, need_weights=False)[0]


class Tied(tnn.Module):
    """Words in, words out, with one matrix for both."""

    def __init__(self, words=7, features=4):
        super().__init__()
        self.embed = tnn.Embedding(words, features)
        self.middle = tnn.Linear(features, features)
        self.head = tnn.Linear(features, words, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x):
        return self.head(torch.tanh(self.middle(self.embed(x))))


class TiedLinear(tnn.Module):
    """An autoencoder whose two halves share their weights."""

    def __init__(self, features=5, hidden=3):
        super().__init__()
        self.first = tnn.Linear(features, hidden)
        self.w = self.first.weight

    def forward(self, x):
        return torch.tanh(self.first(x)) @ self.w


class PartlyFrozen(tnn.Module):
    """The first layer is not trained."""

    def __init__(self):
        super().__init__()
        self.body, self.head = tnn.Linear(4, 4), tnn.Linear(4, 3)
        self.body.requires_grad_(False)

    def forward(self, x):
        return self.head(torch.relu(self.body(x)))


def block(channels=2, rate=0.3, bias=True):
    """A block of a convolutional network."""
    return tnn.Sequential(
        tnn.Conv2d(channels, 4, 3, padding=1, bias=bias),
        tnn.BatchNorm2d(4),
        tnn.GELU(),
        tnn.Dropout(rate),
        tnn.MaxPool2d(2),
    )


@dataclass(frozen=True)
class Case:
    """A layer, and the shape of a sample that it takes."""

    layer: TorchModule
    shape: tuple[int, ...]
    words: int = 0
    """The input is whole numbers below this one."""
    mixes: bool = False
    """In training a sample's output depends on the others of its batch."""

    def params(self, dtype=np.float64, seed=0):
        """Parameters away from their beginning, which nobody writes into."""
        rng = np.random.default_rng(seed)

        def drawn(leaf):
            if leaf.dtype.kind != "f":
                return frozen(leaf.copy())
            low, high = (0.5, 2) if leaf.ndim == 1 and leaf.size == 4 else (-0.7, 0.7)
            return frozen(rng.uniform(low, high, leaf.shape).astype(dtype))

        return map_leaves(drawn, self.layer.init(np.random.default_rng(seed), dtype))

    def x(self, batch=3, dtype=np.float64, seed=1):
        rng = np.random.default_rng(seed)
        if self.words:
            return frozen(rng.integers(0, self.words, (batch, *self.shape)))
        x = rng.normal(size=(batch, *self.shape))
        return frozen((x + np.copysign(0.05, x)).astype(dtype))

    def dy(self, batch=3, dtype=np.float64, seed=2):
        shape = self.layer.output_shape(self.shape)
        return frozen(np.random.default_rng(seed).normal(size=(batch, *shape)).astype(dtype))

    def forward(self, params, x, **how):
        return self.layer.forward(params, x, **{"train": True, "key": KEY, **how})


def frozen(array):
    """Read-only: whoever writes into it raises."""
    array.flags.writeable = False
    return array


def registered(its, buffer):
    """A module with a buffer `rows`."""
    its.register_buffer("rows", buffer)
    return its


def trained_leaves(tree):
    return leaves(tree, statistics=False)


X = frozen(np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32))
"""A batch of samples that nobody writes into."""

CASES = [
    Case(TorchModule(tnn.Linear, 4, 3), (4,)),
    Case(TorchModule(tnn.Conv2d, 2, 3, 3, padding=1), (2, 5, 4)),
    Case(TorchModule(tnn.BatchNorm1d, 4), (4,), mixes=True),
    Case(TorchModule(tnn.BatchNorm2d, 2), (2, 3, 3), mixes=True),
    Case(TorchModule(tnn.LayerNorm, 6), (6,)),
    Case(TorchModule(tnn.Dropout, 0.4), (7,)),
    Case(TorchModule(tnn.Embedding, 7, 4), (3,), words=7),
    Case(TorchModule(Recurrent, tnn.LSTM, 3, 4), (5, 3)),
    Case(TorchModule(Recurrent, tnn.LSTM, 3, 2, num_layers=2, dropout=0.3), (4, 3)),
    Case(TorchModule(Recurrent, tnn.GRU, 3, 2, bidirectional=True), (4, 3)),
    Case(TorchModule(SelfAttention, 4, 2), (3, 4)),
    Case(TorchModule(SelfAttention, 4, 2, dropout=0.3), (3, 4)),
    Case(TorchModule(tnn.TransformerEncoderLayer, 4, 2, dim_feedforward=6, batch_first=True), (3, 4)),
    Case(TorchModule(Tied), (3,), words=7),
    Case(TorchModule(TiedLinear), (5,)),
    Case(TorchModule(PartlyFrozen), (4,)),
    Case(TorchModule(block), (2, 4, 4), mixes=True),
    Case(TorchModule(tnn.Linear(4, 3)), (4,)),
    Case(TorchModule(tnn.ReLU), (5,)),
    Case(TorchModule(tnn.Identity), (5,)),
    Case(TorchModule(tnn.Flatten), (2, 3)),
]


def started(layer, dtype=np.float32):
    """A layer and first parameters of it."""
    return layer, layer.init(np.random.default_rng(0), dtype)


def trained_once(layer, params, x, seed=0):
    """The gradients by the parameters of one batch in training."""
    y, context = layer.forward(params, x, train=True, key=nn.Key((seed,)))
    return layer.backward(context, np.ones_like(y))[1]
