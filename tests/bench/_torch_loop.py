"""PyTorch as a peer: the same network in its own loop, on as many threads as there are cores."""

import time
from itertools import pairwise
from typing import Any

import numpy as np
from dask.system import CPU_COUNT

from tests.bench._loop import MEAN, STD
from tests.bench._rows import Dense, LeNet, Row


class TorchLoop:
    """Gathers bytes, scales them, trains with SGD; loss and accuracy are computed, as the sentinel does.

    Parameters
    ----------
    row
        its model without compensation, and its batch size.
    x, y
        all samples, uint8 and integer labels.
    """

    def __init__(self, row: Row, x: np.ndarray, y: np.ndarray) -> None:
        import torch

        torch.set_num_threads(CPU_COUNT)
        torch.manual_seed(0)
        self._torch: Any = torch
        self._x, self._y = torch.from_numpy(x.copy()), torch.from_numpy(y.astype(np.int64))
        self._batch_size, self._images = row.batch_size, isinstance(row.model, LeNet)
        if isinstance(row.model, Dense):
            self._net, options = _dense(torch, row.model.sizes), {"lr": row.model.lr}
        else:
            self._net, options = _lenet(torch), {"lr": 0.02, "momentum": 0.9}
        self._optimizer = torch.optim.SGD(self._net.parameters(), **options)
        self._places = self._indices()

    def run(self, seconds: float) -> float:
        """Samples a second, over at least so many seconds."""
        done, begun = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - begun) < seconds:
            index = next(self._places)
            self._step(index)
            done += len(index)
        return done / elapsed

    def _indices(self) -> Any:
        while True:
            yield from self._torch.randperm(len(self._x)).split(self._batch_size)

    def _step(self, index: Any) -> None:
        x = self._x[index].float().sub_(float(MEAN)).mul_(float(1 / STD))
        target = self._y[index]
        y = self._net(x.view(-1, 1, 28, 28) if self._images else x)
        loss = self._torch.nn.functional.cross_entropy(y, target)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self.last_loss = loss.item()
        self.correct = (y.argmax(1) == target).float().mean().item()


def _dense(torch: Any, sizes: tuple[int, ...]) -> Any:
    layers: list[Any] = []
    for inputs, outputs in pairwise(sizes):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU(inplace=True)]
    return torch.nn.Sequential(*layers[:-1])


def _lenet(torch: Any) -> Any:
    nn = torch.nn
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(inplace=True), nn.Linear(120, 84), nn.ReLU(inplace=True), nn.Linear(84, 10)),
    )
