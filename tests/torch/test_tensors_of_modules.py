"""Tensors of a module that no version can stand in for: they share memory, have hooks, no values or no shape."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn as tnn

from akkordeon_dask import nn, optim
from akkordeon_dask.errors import SpecError
from akkordeon_dask.torch import TorchModule, split_module
from tests.support.for_each import for_each
from tests.torch.modules import registered


def hooked():
    its = tnn.Linear(4, 3)
    its.weight.register_hook(torch.zeros_like)
    return its


def tied_by_data():
    its = tnn.Sequential(tnn.Linear(4, 4), tnn.Linear(4, 4))
    its[1].weight.data = its[0].weight.data
    return its


def tied_at_an_offset():
    its = tnn.Sequential(tnn.Linear(4, 5), tnn.Linear(4, 4))
    its[1].weight = tnn.Parameter(its[0].weight[1:].detach())
    return its


def tied_across():
    its = tnn.Sequential(tnn.Linear(4, 5), tnn.Linear(5, 4))
    its[1].weight = tnn.Parameter(its[0].weight.detach().T)
    return its


def tied_by_numpy():
    memory = np.zeros((6, 4), np.float32)
    its = tnn.Sequential(tnn.Linear(4, 4), tnn.Linear(4, 4))
    for part, rows in zip(its, (memory[:4], memory[2:]), strict=True):
        part.weight = tnn.Parameter(torch.from_numpy(rows))
    return its


def averaged():
    return registered(its := tnn.Linear(4, 4), its.weight.data)


@for_each(
    "make, words",
    [
        (tied_by_data, "'1.weight' is not the tensor '0.weight', and lies in its memory.*tie them as one"),
        (tied_at_an_offset, "'1.weight' is not the tensor '0.weight', and lies in its memory"),
        (tied_across, "'1.weight' is not the tensor '0.weight', and lies in its memory"),
        (tied_by_numpy, "'1.weight' is not the tensor '0.weight', and lies in its memory"),
        (averaged, "'rows' is not the tensor 'weight'"),
        (hooked, "'weight' has a hook"),
        (lambda: tnn.Linear(4, 3, device="meta"), "'weight' has no values.*make the module on the CPU"),
        (lambda: tnn.LazyLinear(3), "'weight' has a shape that is not known"),
        (lambda: tnn.Linear(4, 3, dtype=torch.complex64), "'weight' is complex"),
        (lambda: registered(tnn.Linear(4, 3), torch.eye(4).to_sparse()), "'rows' is sparse_coo.*persistent=False"),
        (lambda: registered(tnn.Linear(4, 3), torch.eye(4, dtype=torch.float8_e4m3fn)), "'rows' is float8_e4m3fn"),
        (lambda: tnn.DataParallel(tnn.Linear(4, 3)), "is a DataParallel.*the plain module"),
        (
            lambda: tnn.Sequential(tnn.DataParallel(tnn.Linear(4, 3))),
            "its part '0' is a DataParallel.*the plain module",
        ),
        (lambda: tnn.Sequential(torch.jit.ScriptModule()), "its part '0' is a ScriptModule.*the plain module"),
    ],
)
def test_tensors_that_no_version_can_stand_in_for_are_refused_where_the_network_is_written(make, words):
    with pytest.raises(SpecError, match=words):
        nn.Linear(2, 4) >> TorchModule(make)
    with pytest.raises(SpecError, match=words):
        TorchModule(make())


class Neighbours(tnn.Module):
    """A layer over the nodes of a graph."""

    def __init__(self):
        super().__init__()
        self.register_buffer("edges", torch.eye(4).roll(1, 0).to_sparse(), persistent=False)
        self.inner = tnn.Linear(4, 3)

    def forward(self, x):
        return self.inner((self.edges @ x.T).T)


def test_a_sparse_buffer_that_is_not_persistent_is_computed_with():
    module = Neighbours()
    for layer in (TorchModule(Neighbours), TorchModule(module)):
        params = layer.init(np.random.default_rng(0))
        module.load_state_dict({name: torch.from_numpy(its.copy()) for name, its in params.items()})
        x = np.eye(4, dtype=np.float32)
        assert_array_equal(layer.forward(params, x, train=True)[0], module(torch.from_numpy(x)).detach())


def test_modules_that_are_cut_or_given_as_arguments_share_no_memory():
    words = "is not the tensor .*, and lies in its memory"
    for make in (tied_by_data, tied_at_an_offset):
        with pytest.raises(SpecError, match=words):
            split_module(make(), optim.SGD(0.1), at=["1"])
        with pytest.raises(SpecError, match=words):
            TorchModule(tnn.Sequential, *make())


def test_parameters_in_one_memory_that_share_no_number_are_taken():
    memory = torch.randn(4, 8)
    its = tnn.Sequential(tnn.Linear(4, 4), tnn.Linear(4, 4))
    for number, part in enumerate(its):
        part.weight = tnn.Parameter(memory[:, number::2])
    _, layer = split_module(its, optim.SGD(0.1), at=["1"]), TorchModule(its)
    assert_array_equal(layer.init(np.random.default_rng(0))["1.weight"], memory[:, 1::2])
