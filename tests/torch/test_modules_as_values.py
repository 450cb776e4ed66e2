"""Modules, tensors and what stands in collections are values where they are a layer or an argument of one."""

import pickle

import numpy as np
import torch
from numpy.testing import assert_array_equal
from torch import nn as tnn

from akkordeon_dask.torch import TorchModule
from akkordeon_dask.tree import leaves
from tests.support.for_each import for_each
from tests.torch.modules import TiedLinear, X, started, trained_once


def test_an_instance_keeps_its_ties_and_is_never_trained_itself():
    module = TiedLinear(4, 3)
    layer = TorchModule(module)
    before = module.w.detach().clone()
    _, params = started(layer)
    name = next(name for name in params if "bias" not in name)
    assert_array_equal(params[name], before.numpy())
    params[name][...] = 7
    assert len(params) == 2 and torch.equal(module.w, before)
    module.w.data.zero_()
    assert_array_equal(layer.init(np.random.default_rng(1))[name], before.numpy())


def test_equal_instances_are_equal_layers():
    module = tnn.Sequential(tnn.Linear(4, 3), tnn.BatchNorm1d(3))
    same = tnn.Sequential(tnn.Linear(4, 3), tnn.BatchNorm1d(3))
    same.load_state_dict(module.state_dict())
    one, other = TorchModule(module), TorchModule(same)
    assert one == other and hash(one) == hash(other)
    same[0].weight.data[0, 0] += 1
    assert TorchModule(same) != one


def test_modules_as_arguments_are_values_too_and_stay_as_they_are():
    inner = tnn.Linear(4, 3)
    before = inner.weight.detach().numpy().copy()
    layer, params = started(TorchModule(tnn.Sequential, inner, tnn.BatchNorm1d(3)))
    again = pickle.loads(pickle.dumps(layer))
    assert again == layer and hash(again) == hash(layer)
    trained_once(layer, params, X)
    assert_array_equal(again.init(np.random.default_rng(1))["0.weight"], before)
    assert_array_equal(inner.weight.detach().numpy(), before)


class Stack(tnn.Module):
    def __init__(self, parts, **others):
        super().__init__()
        self.parts = tnn.ModuleList([*parts, *others.get("more", {}).values()])

    def forward(self, x):
        for part in self.parts:
            x = part(x)
        return x


def test_what_stands_in_collections_of_arguments_is_a_value_too():
    parts, more = [tnn.Linear(4, 3)], {"norm": tnn.BatchNorm1d(3)}
    layer, params = started(TorchModule(Stack, parts, more=more))
    again = pickle.loads(pickle.dumps(layer))
    assert again == layer == TorchModule(Stack, [*parts], more=more) and hash(again) == hash(layer)
    parts[0].weight.data.zero_()
    parts.append(tnn.Linear(3, 9))
    more.clear()
    assert layer == again != TorchModule(Stack, parts, more=more)
    trained_once(layer, params, X)
    for one, other in zip(leaves(layer.init(np.random.default_rng(0))), leaves(params), strict=True):
        assert_array_equal(one, other)


def scaled(weight):
    its = tnn.Linear(4, 3)
    its.weight = weight
    return its


def test_a_parameter_that_is_an_argument_is_one_of_the_module():
    weight = tnn.Parameter(torch.ones(3, 4), requires_grad=False)
    frozen_one, trained = TorchModule(scaled, weight), TorchModule(scaled, tnn.Parameter(torch.ones(3, 4)))
    weight.zero_()
    assert frozen_one.init(np.random.default_rng(0))["statistics"]["weight"].all()
    assert trained.init(np.random.default_rng(0))["weight"].all()


@for_each("make", [torch.ones, lambda *shape: np.ones(shape, np.float32)])
def test_an_array_that_is_an_argument_may_be_changed_afterwards(make):
    table = make(7, 4)
    layer = TorchModule(lambda its: tnn.Embedding.from_pretrained(torch.as_tensor(its)), table)
    table[...] = 0
    assert layer.init(np.random.default_rng(0))["statistics"]["weight"].all()
