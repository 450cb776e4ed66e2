"""Networks of torch modules, for actors and their peers."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn as tnn

from akkordeon_dask import Gate, Network, nn
from akkordeon_dask.data import Provider, arrays
from akkordeon_dask.torch import TorchModule, TorchOptimizer

MEAN, STD = 72.9, 90.0
VOCABULARY, LENGTH, WIDTH, HEADS = 96, 128, 192, 4
LEARNING_RATE = 1e-3


def cnn() -> tnn.Sequential:
    """Images of one channel and 28 x 28 pixels to ten logits; 0.42 million parameters."""
    return tnn.Sequential(
        *(tnn.Conv2d(1, 32, 3, padding=1), tnn.BatchNorm2d(32), tnn.ReLU(), tnn.MaxPool2d(2)),
        *(tnn.Conv2d(32, 64, 3, padding=1), tnn.BatchNorm2d(64), tnn.ReLU(), tnn.MaxPool2d(2)),
        *(tnn.Flatten(), tnn.Linear(64 * 49, 128), tnn.ReLU(), tnn.Dropout(0.3), tnn.Linear(128, 10)),
    )


class Embedding(tnn.Module):
    """Characters and their positions."""

    def __init__(self) -> None:
        super().__init__()
        self.characters, self.positions = tnn.Embedding(VOCABULARY, WIDTH), tnn.Embedding(LENGTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, positions) to (batch, positions, features)."""
        return self.characters(x) + self.positions.weight[: x.shape[1]]


class Block(tnn.Module):
    """Causal attention and two dense layers, each with a normalisation in front and a sum behind."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = tnn.LayerNorm(WIDTH), tnn.Linear(WIDTH, 3 * WIDTH), tnn.Linear(WIDTH, WIDTH)
        dense = tnn.Linear(WIDTH, 4 * WIDTH), tnn.GELU(), tnn.Linear(4 * WIDTH, WIDTH)
        self.dense = tnn.Sequential(tnn.LayerNorm(WIDTH), *dense)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, positions, features) both."""
        batch, length, width = x.shape
        parts = self.qkv(self.norm(x)).view(batch, length, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        attended = tnn.functional.scaled_dot_product_attention(*parts, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, length, width))
        return x + self.dense(x)


class Head(tnn.Module):
    """Logits of the next characters."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.linear = tnn.LayerNorm(WIDTH), tnn.Linear(WIDTH, VOCABULARY)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, positions, features) to (batch, characters, positions)."""
        return self.linear(self.norm(x)).transpose(1, 2)


def language_model() -> tnn.Sequential:
    """Four blocks between an embedding and a head; 1.84 million parameters."""
    return tnn.Sequential(Embedding(), *(Block() for _ in range(4)), Head())


@dataclass(frozen=True)
class ModuleRow:
    """A module cut into gates, and how it is trained.

    Parameters
    ----------
    name
        in the table.
    module
        makes it.
    starts
        the children that gates begin with.
    batch_size, concurrency
        samples; batches in flight.
    workers
        0: one process; else that many worker processes.
    goal
        ratio to the loop to reach.
    samples
        of a pass.
    """

    name: str
    module: Callable[[], tnn.Sequential]
    starts: tuple[int, ...]
    batch_size: int
    concurrency: int
    workers: int
    goal: float
    samples: int

    @property
    def images(self) -> bool:
        """The samples are images, not text."""
        return self.module is cnn

    @property
    def stages(self) -> list[tnn.Sequential]:
        """The pieces of a module that is made with one seed."""
        torch.manual_seed(0)
        module = self.module()
        return [module[a:b] for a, b in pairwise([*self.starts, len(module)])]

    @property
    def network(self) -> Network:
        """The network to deploy."""
        layers = [TorchModule(stage) for stage in self.stages]
        optimizer = TorchOptimizer(torch.optim.AdamW, lr=LEARNING_RATE)
        first = nn.Reshape((1, 28, 28)) >> nn.Scale(MEAN, STD) >> layers[0] if self.images else layers[0]
        return Network(Gate(layer, optimizer) for layer in (first, *layers[1:]))

    def samples_and_labels(self) -> tuple[np.ndarray, np.ndarray]:
        """Images as bytes; or characters, and the next ones. Of noise: the speed is the same."""
        rng = np.random.default_rng(0)
        if self.images:
            x = rng.integers(0, 256, (self.samples, 784)).astype(np.uint8)
            return x, rng.integers(0, 10, self.samples)
        text = rng.integers(0, VOCABULARY, (self.samples, LENGTH + 1))
        return text[:, :-1].copy(), text[:, 1:].copy()

    def provider(self) -> Provider:
        """The same for a sentinel."""
        return arrays(*self.samples_and_labels(), shuffle=True)

    def batches(self) -> Any:
        """The same as tensors, in a new order each epoch, without end."""
        x, y = (torch.from_numpy(array) for array in self.samples_and_labels())
        while True:
            for index in torch.randperm(len(x)).split(self.batch_size):
                inputs = x[index].float().sub_(MEAN).mul_(1 / STD).view(-1, 1, 28, 28) if self.images else x[index]
                yield inputs, y[index]


_CNN, _TEXT = (cnn, 128, 4, 12_800), (language_model, 16, 4, 192)


def _row(name: str, starts: tuple[int, ...], workers: int, goal: float, of: tuple[Any, ...]) -> ModuleRow:
    module, batch_size, concurrency, samples = of
    return ModuleRow(name, module, starts, batch_size, concurrency, workers, goal, samples)


MODULE_ROWS = {
    row.name: row
    for row in (
        _row("CNN, one gate", (0,), 0, 0.95, _CNN),
        _row("CNN, two gates, one process", (0, 4), 0, 1.0, _CNN),
        _row("CNN, two gates, two workers", (0, 4), 2, 0.8, _CNN),
        _row("language model, three gates, three workers", (0, 2, 4), 3, 0.7, _TEXT),
    )
}
