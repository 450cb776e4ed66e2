"""A loader of PyTorch is a stream of batches, whatever its dataset is."""

import numpy as np
import torch
from torch import nn as tnn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from akkordeon_dask import Gate, Sentinel, deploy, optim
from akkordeon_dask.torch import TorchModule
from tests.support.for_each import for_each

X, Y = torch.linspace(-1, 1, 48).reshape(12, 4), torch.arange(12) % 3


class Rows(IterableDataset):
    """Of no known length."""

    def __iter__(self):
        return iter(zip(X, Y, strict=True))


def module():
    return TorchModule(tnn.Linear(4, 3).requires_grad_())


@for_each("dataset", [TensorDataset(X, Y), Rows()])
def test_a_loader_trains_as_a_function_that_returns_it(dataset):
    found = []
    layer, loader = module(), DataLoader(dataset, batch_size=4)
    for provider in (loader, lambda: loader):
        sentinel = Sentinel.train(provider, concurrency=1)
        assert repr(sentinel).startswith("Sentinel.train(")
        with deploy(Gate(layer, optim.SGD(0.1))) as running:
            running.attach(sentinel, epochs=2)
            history = running.wait(timeout=60, progress=False)
            assert [its.samples for its in history] == [12, 12]
            found.append(running.parameters()["g0"][0]["weight"])
    np.testing.assert_array_equal(*found)
