"""The table of layers that has to keep every law."""

from dataclasses import dataclass

import numpy as np

from akkordeon_dask import nn
from akkordeon_dask.tree import map_leaves
from tests.support.composite_layers import COMPOSITES
from tests.support.image_layers import IMAGES
from tests.support.normalisation_layers import NORMALISATIONS

KEY = nn.Key((20, 26))
ACTIVATIONS = [nn.ReLU(), nn.LeakyReLU(), nn.GELU(), nn.Tanh(), nn.Sigmoid(), nn.Dropout(0.4)]


@dataclass(frozen=True)
class Case:
    """A layer, and the shape of a sample that it takes."""

    layer: nn.Layer
    shape: tuple[int, ...]

    def params(self, dtype=np.float64, seed=0):
        """Parameters away from their beginning: no bias is zero, and no variance in statistics below it."""
        rng, observed = np.random.default_rng(seed), np.random.default_rng(seed + 1)
        params = self.layer.init(rng, dtype)
        params = frozen_tree(lambda leaf: observed.uniform(0.5, 2, leaf.shape).astype(dtype), params)
        return frozen_tree(lambda leaf: rng.normal(size=leaf.shape).astype(dtype), params, statistics=False)

    def x(self, batch=3, dtype=np.float64, seed=1):
        """A batch without numbers next to a rectifier's kink."""
        x = np.random.default_rng(seed).normal(size=(batch, *self.shape))
        return frozen((x + np.copysign(0.05, x)).astype(dtype))

    def dy(self, batch=3, dtype=np.float64, seed=2):
        """A gradient of the output."""
        shape = self.layer.output_shape(self.shape)
        return frozen(np.random.default_rng(seed).normal(size=(batch, *shape)).astype(dtype))

    def forward(self, params, x, **how):
        """A forward pass, in training and with a fixed key unless said otherwise."""
        return self.layer.forward(params, x, **{"train": True, "key": KEY, **how})


def frozen_tree(function, tree, **which):
    return map_leaves(lambda leaf: frozen(function(leaf)), tree, **which)


def frozen(array):
    """Read-only: whoever writes into it raises."""
    array.flags.writeable = False
    return array


IMAGE = (2, 3)
CASES = [
    Case(nn.Identity(), (7,)),
    Case(nn.Identity(), IMAGE),
    Case(nn.Linear(4, 3), (4,)),
    Case(nn.Linear(1, 1), (1,)),
    Case(nn.Linear(4, 3, bias=False, initializer=nn.GlorotUniform()), (4,)),
    Case(nn.DropConnect(4, 3, 0.4), (4,)),
    Case(nn.DropConnect(5, 2, 0.5, bias=False, initializer=nn.Normal(0.1)), (5,)),
    Case(nn.DropConnect(4, 3, 0.0), (4,)),
    Case(nn.Scale(0.3, 1.7), (5,)),
    Case(nn.Scale(mean=-1, std=2), IMAGE),
    Case(nn.Scale([0.3, -1, 0, 2, 5], [1.7, 1, 2, 0.5, 3]), (5,)),
    Case(nn.Scale(0.5, list(range(1, IMAGE[0] + 1))), IMAGE),
    Case(nn.Flatten(), IMAGE),
    Case(nn.Flatten(), ()),
    Case(nn.ReLU(), (5,)),
    Case(nn.ReLU(), IMAGE),
    Case(nn.LeakyReLU(), (5,)),
    Case(nn.LeakyReLU(slope=0.3), IMAGE),
    Case(nn.GELU(), (5,)),
    Case(nn.Tanh(), (5,)),
    Case(nn.Sigmoid(), (5,)),
    Case(nn.Dropout(0.4), (7,)),
    Case(nn.Dropout(0), (7,)),
    Case(nn.Linear(4, 5) >> nn.ReLU() >> nn.Linear(5, 2), (4,)),
    Case(nn.Scale(3, 1.7) >> nn.Flatten() >> nn.Linear(6, 5) >> nn.ReLU() >> nn.Dropout(0.3) >> nn.Linear(5, 2), IMAGE),
    Case(nn.Dropout(0.3) >> nn.DropConnect(4, 5, 0.3) >> nn.GELU() >> nn.Linear(5, 2) >> nn.Sigmoid(), (4,)),
    Case(nn.ReLU() >> nn.Flatten() >> nn.LeakyReLU(0.2) >> nn.Dropout(0.2) >> nn.Tanh(), IMAGE),
    Case(nn.Linear(4, 5) >> nn.Tanh() >> nn.Dropout(0.2) >> nn.Scale(0.1, 2) >> nn.ReLU() >> nn.Scale(0.2, 0.5), (4,)),
    Case(nn.Flatten() >> nn.Dropout(0.5) >> nn.Scale(0.5, 0.5), IMAGE),
    *(Case(layer >> nn.Scale(0.1, 2.0), (5,)) for layer in ACTIVATIONS),
    *(Case(layer >> nn.Flatten() >> nn.Dropout(0), IMAGE) for layer in ACTIVATIONS),
    Case(nn.Chain([nn.ReLU(), nn.Chain([nn.Flatten(), nn.Dropout(0)])]), IMAGE),
    Case(nn.Chain([nn.ReLU()]), (5,)),
    Case(nn.Chain([nn.Linear(4, 5) >> nn.ReLU(), nn.Scale(0.1, 2.0), nn.Linear(5, 2)]), (4,)),
    Case(nn.Chain([nn.Chain([nn.Flatten()]), nn.Dropout(0.3) >> nn.Flatten(), nn.Scale(0.1, 2.0), nn.Tanh()]), IMAGE),
    Case(nn.Chain([nn.ReLU() >> nn.Flatten(), nn.Chain([nn.ReLU()]), nn.Tanh(), nn.Linear(6, 2)]), IMAGE),
    Case(nn.Chain([nn.Chain([nn.ReLU(), nn.Chain([nn.Tanh()])]), nn.Chain([nn.Linear(5, 2)]), nn.Sigmoid()]), (5,)),
    *(Case(*pair) for pair in (*COMPOSITES, *IMAGES, *NORMALISATIONS)),
]
