"""A loader of PyTorch is a stream of batches, whatever its dataset is."""

import multiprocessing

import numpy as np
import pytest
import torch
from torch import nn as tnn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from akkordeon_dask import Gate, Sentinel, deploy, optim
from akkordeon_dask.errors import SentinelError
from akkordeon_dask.torch import TorchModule
from tests.support.for_each import for_each
from tests.support.patience import PATIENCE

X, Y = torch.linspace(-1, 1, 48).reshape(12, 4), torch.arange(12) % 3


class Rows(IterableDataset):
    """Of no known length."""

    def __iter__(self):
        return iter(zip(X, Y, strict=True))


@for_each("dataset", [TensorDataset(X, Y), Rows()])
def test_a_loader_trains_as_a_function_that_returns_it(dataset):
    found = []
    layer, loader = TorchModule(tnn.Linear(4, 3)), DataLoader(dataset, batch_size=4)
    for provider in (loader, lambda: loader):
        sentinel = Sentinel.train(provider, concurrency=1)
        assert repr(sentinel).startswith("Sentinel.train(")
        with deploy(Gate(layer, optim.SGD(0.1))) as running:
            running.attach(sentinel, epochs=2)
            history = running.wait(timeout=PATIENCE, progress=False)
            assert [its.samples for its in history] == [12, 12]
            found.append(running.parameters()["g0"][0]["weight"])
    np.testing.assert_array_equal(*found)


def test_a_loader_with_processes_below_a_nanny_says_what_to_do(monkeypatch):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    loader = DataLoader(TensorDataset(X, Y), batch_size=4, num_workers=1)
    words = r"num_workers=0, or .* distributed\.worker\.daemon: false"
    network = Gate(TorchModule(tnn.Linear(4, 3)), optim.SGD(0.1))
    with deploy(network) as running, pytest.raises(SentinelError, match=words):
        running.attach(Sentinel.train(loader), epochs=1)
