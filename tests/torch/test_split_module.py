"""A sequential module as a network."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn as tnn

from akkordeon_dask import Gate, optim
from akkordeon_dask.errors import SpecError
from akkordeon_dask.torch import TorchModule, split_module, state_dict
from tests.torch.modules import TiedLinear, block

SGD = optim.SGD(0.1)


def model():
    return tnn.Sequential(
        tnn.Linear(6, 50), tnn.ReLU(), tnn.Linear(50, 50), tnn.BatchNorm1d(50), tnn.Linear(50, 3)
    ).eval()


def outputs(network, x):
    for name, params in network.init(0).items():
        gate = network.gates[network.names.index(name)]
        x, _ = gate.chain.forward(params, x)
    return x


@pytest.mark.parametrize("how", [{"at": ["2", "4"]}, {"parts": 1}, {"parts": 2}, {"parts": 5, "shape": (6,)}], ids=repr)
def test_the_gates_are_the_module(how):
    module, x = model(), np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    network = split_module(module, SGD, **how)
    with torch.no_grad():
        assert_array_equal(outputs(network, x), module(torch.from_numpy(x)).numpy())
    state = state_dict(network, network.init(0))
    assert {name: its.tolist() for name, its in state.items()} == {
        name: its.tolist() for name, its in module.state_dict().items()
    }


def test_parts_are_balanced_by_what_they_cost():
    counts = sorted(gate.parameter_count for gate in split_module(model(), SGD, parts=3))
    assert counts[-1] == 50 * 50 + 50, "the largest child is alone"
    module = tnn.Sequential(tnn.Conv2d(1, 8, 3), tnn.ReLU(), tnn.Conv2d(8, 8, 3), tnn.Flatten(), tnn.Linear(4608, 3))
    by_numbers, by_products = (split_module(module, SGD, parts=2, shape=shape) for shape in (None, (1, 28, 28)))
    assert by_numbers.names[1] in ("layer3", "layer4") and by_products.names[1] in ("layer1", "layer2")


def test_gates_are_named_as_their_first_children():
    module = tnn.Sequential()
    for name in ("stem", "body", "head"):
        module.add_module(name, tnn.Linear(3, 3))
    assert split_module(module, SGD, at=["head"]).names == ("stem", "head")


def doubled():
    module = model()
    plain = module.forward
    module.forward = lambda x: 2 * plain(x)
    return module


def hooked(kind):
    module = model()
    getattr(module, f"register_{kind}")(lambda *_: None)
    return module


class FirstEvaluates(tnn.Sequential):
    def train(self, mode=True):
        super().train(mode)
        self[0].eval()
        return self


def test_the_names_to_cut_at_may_be_read_only_once():
    assert split_module(model(), SGD, at=iter(["2", "4"])).names == ("layer0", "layer2", "layer4")


@pytest.mark.parametrize(
    ("module", "how", "words"),
    [
        (TiedLinear(), {"parts": 2}, "TiedLinear cannot be cut: its forward is code of its own"),
        (model(), {}, "one of the two"),
        (model(), {"at": ["2"], "parts": 2}, "one of the two"),
        (model(), {"at": ["nine"]}, "there is no child 'nine' to cut at: the children are 0, 1, 2, 3, 4"),
        (model(), {"at": ["4", "2"]}, "in the order of the children"),
        (model(), {"at": ["0"]}, "in the order of the children"),
        (model(), {"at": "2"}, "takes the names of children"),
        (model(), {"parts": 6}, "has 5 children: it cannot be cut into 6 parts"),
        (model(), {"parts": 0}, "parts of split_module"),
        (3, {"parts": 1}, "takes a torch.nn.Module, not 3"),
        (model(), {"at": 3}, r"takes the names of children, at=\['head'\], not 3"),
        (model(), {"at": [2]}, r"takes the names of children, .*not \[2\]"),
        (model(), {"at": (name for name in "42")}, r"in the order of the children, .*not \['4', '2'\]"),
        (model(), {"parts": 2, "shape": 6}, "a sample's shape is a tuple of sizes.*not 6"),
        (tnn.Sequential(), {"at": []}, "Sequential cannot be cut: it has no children"),
        (tnn.Sequential(OrderedDict(a=tnn.ReLU(), b=None)), {"at": ["b"]}, "its child 'b' is None"),
        (doubled(), {"at": ["2"]}, "Sequential cannot be cut: its forward is code of its own"),
        *(
            (hooked(kind), {"at": ["2"]}, "Sequential cannot be cut: it has hooks")
            for kind in ("forward_hook", "forward_pre_hook", "full_backward_hook", "full_backward_pre_hook")
        ),
        (FirstEvaluates(*model()), {"at": ["2"]}, "FirstEvaluates cannot be cut: its train is code of its own"),
    ],
)  # fmt: skip
def test_what_cannot_be_cut_says_why(module, how, words):
    with pytest.raises(SpecError, match=words):
        split_module(module, SGD, **how)


def test_gates_share_no_parameters():
    one = tnn.Linear(3, 3)
    other = tnn.Linear(3, 3)
    other.weight = one.weight
    module = tnn.Sequential(one, tnn.ReLU(), other)
    with pytest.raises(SpecError, match=r"'2.weight' is the same tensor as '0.weight': put both into one gate"):
        split_module(module, SGD, parts=2)
    assert len(split_module(module, SGD, parts=1)) == 1
    with pytest.raises(SpecError, match="one child at two places"):
        split_module(tnn.Sequential(one, one), SGD, parts=2)


def test_blocks_of_blocks_keep_their_names():
    module = tnn.Sequential(block(), block(4))
    network = split_module(module, SGD, at=["1"])
    assert set(state_dict(network, network.init(0))) == set(module.state_dict())


def test_two_modules_with_tensors_of_one_name_are_taken_one_by_one():
    network = Gate(TorchModule(tnn.Linear, 2, 2), SGD, name="a") | Gate(TorchModule(tnn.Linear, 2, 2), SGD, name="b")
    with pytest.raises(SpecError, match="have a tensor 'weight'"):
        state_dict(network, network.init(0))
    assert sorted(state_dict(network[1:], network.init(0))) == ["bias", "weight"]
