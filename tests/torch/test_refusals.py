"""Modules that would be silently wrong, or fail in torch's own words, are refused in words that say what to do."""

import random
import re
import threading
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn as tnn
from torch.utils.checkpoint import checkpoint

from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim
from akkordeon_dask.errors import GateError, ShapeError, SpecError
from akkordeon_dask.torch import TorchModule, split_module
from akkordeon_dask.tree import leaves
from tests.support.for_each import for_each
from tests.support.patience import PATIENCE
from tests.torch.modules import X, registered


def module(forward, **attributes):
    """A module with this forward, a linear layer, and attributes of its own."""

    class Made(tnn.Module):
        def __init__(self):
            super().__init__()
            self.linear = tnn.Linear(4, 4)
            for name, make in attributes.items():
                setattr(self, name, make())

        def forward(self, x):
            return forward(self, x)

    return Made


def hold(its, x):
    y = its.linear(x) + its.held["x"]
    its.held["x"] = x.detach().mean()
    return y


def count(its, x):
    its.held["x"] += 1
    return its.linear(x)


def count_deeper(its, x):
    its.held[0]["x"][0] += 1
    return its.linear(x)


def count_in_place(its, x):
    held = its.held[0] if isinstance(its.held, list) else its.held
    held += 1
    return its.linear(x)


def replace_first(its, x):
    its.held[0] = its.held[1]
    return its.linear(x)


def count_attribute(its, x):
    its.held.x += 1
    return its.linear(x)


def write_parameter(its, x):
    its.linear.weight.data.mul_(0.9)
    return its.linear(x)


def bound_parameter(its, x):
    its.linear.weight.data = torch.renorm(its.linear.weight.data, 2, 0, maxnorm=1e3)
    return its.linear(x)


def clamp_parameter(its, x):
    its.linear.weight.data.clamp_(-1e3, 1e3)
    return its.linear(x)


def grow(its, x):
    its.rows = torch.cat([its.rows, x.detach()])
    return its.linear(x)


def fill(its, x):
    its.rows = x.detach().mean(0) if its.rows is None else its.rows + 1
    return its.linear(x) + its.rows


def without_gradients(its, x):
    with torch.no_grad():
        return its.linear(x)


def buffered(forward, buffer):
    return lambda: registered(module(forward)(), buffer)


@for_each(
    "factory, words",
    [
        (module(hold, held=lambda: {"x": 0.0}), "keeps 'held' from one forward pass to the next.*register_buffer"),
        (module(count, held=lambda: {"x": 0}), "keeps 'held'"),
        (module(count_deeper, held=lambda: ({"x": [0]},)), "keeps 'held'"),
        (module(count_in_place, held=lambda: np.zeros(2)), "keeps 'held'"),
        (module(count_in_place, held=lambda: [torch.zeros(2)]), "keeps 'held'"),
        (module(replace_first, held=lambda: [0, 1]), "keeps 'held'"),
        (module(count_attribute, held=lambda: SimpleNamespace(x=0)), "keeps 'held'"),
        (module(lambda its, x: x * random.random()), "gives another output.*torch's default one"),
        (
            module(lambda its, x: x * torch.rand(4, generator=its.own), own=torch.Generator),
            "gives another output.*torch's default one",
        ),
        (buffered(fill, None), "gives another output"),
        (module(write_parameter), "writes into its parameter 'linear.weight'"),
        (module(bound_parameter), "writes into its parameter 'linear.weight'"),
        (module(clamp_parameter), "writes into its parameter 'linear.weight'"),
        (buffered(grow, torch.zeros(0, 4)), r"turns its buffer 'rows' from float32 of shape \(0, 4\) .*\(5, 4\)"),
        (module(without_gradients), "trains 'linear.weight' and computes without gradients.*requires_grad_"),
        (lambda: torch.nn.utils.spectral_norm(tnn.Linear(4, 4)), "keeps 'weight'.*torch.nn.utils.parametrizations"),
    ],
)
def test_a_module_whose_training_would_be_another_one_is_refused(factory, words):
    layer = TorchModule(factory)
    params = layer.init(np.random.default_rng(0))
    before = [leaf.copy() for leaf in leaves(params)]
    with pytest.raises(SpecError, match=words):
        layer.forward(params, X, train=True, key=nn.Key((0,)))
    for now, then in zip(leaves(params), before, strict=True):
        assert_array_equal(now, then)


class ByLambda(tnn.Module):
    """Its copies compute with the weights of the original."""

    def __init__(self):
        super().__init__()
        self.linear = tnn.Linear(4, 4)
        self.compute = lambda x: 2 * self.linear(x)

    def forward(self, x):
        return self.compute(x)


@for_each(
    "factory",
    [
        ByLambda,
        module(lambda its, x: its.parts[0](its.linear(x)), parts=lambda: [tnn.Linear(4, 4)]),
        module(lambda its, x: its.linear(x) * its.scale, scale=lambda: torch.ones(4, requires_grad=True)),
        module(lambda its, x: its.table[: len(x)], table=lambda: torch.ones(5, 4, requires_grad=True)),
    ],
)
def test_trained_tensors_that_are_no_parameters_are_refused(factory):
    for train in (True, False):
        layer = TorchModule(factory)
        with pytest.raises(SpecError, match=r"a tensor of shape .* is none of its parameters.*nn.ModuleList"):
            layer.forward(layer.init(np.random.default_rng(0)), X, train=train, key=nn.Key((0,)))


def force(its, x):
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return torch.autograd.grad(its.linear(x).square().sum(), x, create_graph=True)[0]


def test_tensors_that_a_pass_differentiates_by_are_its_own():
    layer = TorchModule(module(force))
    params = layer.init(np.random.default_rng(0))
    y, context = layer.forward(params, X, train=True, key=nn.Key((0,)))
    assert layer.backward(context, y)[1]["linear.weight"].any()
    assert_array_equal(layer.forward(params, X)[0], y)


@for_each(
    "forward, words",
    [
        (lambda its, x: its.linear(x).argmax(1), "gives int64: gates pass floating point on"),
        (lambda its, x: torch.fft.fft(x), "gives complex64"),
        (lambda its, x: torch.empty_like(x, device="meta"), "gives a tensor without values"),
        (lambda its, x: x.to_sparse(), "gives a sparse_coo tensor.*to_dense"),
    ],
)
def test_an_output_that_is_no_array_of_floating_point_is_refused(forward, words):
    layer = TorchModule(module(forward))
    for train in (True, False):
        with pytest.raises(ShapeError, match=words):
            layer.forward(layer.init(np.random.default_rng(0)), X, train=train, key=nn.Key((0,)))


@for_each("dtype", [np.float32, np.float64])
@for_each("forward", [lambda its, x: its.linear(x).half(), lambda its, x: its.linear(x).double()])
def test_an_output_of_another_precision_becomes_that_of_the_parameters(dtype, forward):
    layer = TorchModule(module(forward))
    y, context = layer.forward(layer.init(np.random.default_rng(0), dtype), X, train=True, key=nn.Key((0,)))
    dx, grads = layer.backward(context, y)
    assert {y.dtype, dx.dtype, *(grad.dtype for grad in leaves(grads))} == {np.dtype(dtype)}


class Fails(torch.autograd.Function):
    """Cannot go back."""

    @staticmethod
    def forward(_, x):
        return x * 1

    @staticmethod
    def backward(_, dy):
        raise ValueError("no way back")


def test_a_module_that_computes_its_forward_pass_again_is_refused_by_the_backward_pass():
    for reentrant in (True, False):
        layer = TorchModule(module(lambda its, x, how=reentrant: checkpoint(its.linear, x, use_reentrant=how)))
        y, context = layer.forward(layer.init(np.random.default_rng(0)), X, train=True, key=nn.Key((0,)))
        with pytest.raises(SpecError, match="again in the backward pass"):
            layer.backward(context, y)


class Asks(torch.autograd.Function):
    """Asks in its backward pass whether the graph outlasts it, as compiled modules do, which refuse that."""

    kept: ClassVar[list[bool]] = []

    @staticmethod
    def forward(_, x):
        return x * 1

    @staticmethod
    def backward(_, dy):
        Asks.kept.append(torch._C._autograd._get_current_graph_task_keep_graph())
        return dy


def test_no_graph_outlasts_its_backward_pass():
    layer = TorchModule(module(lambda its, x: Asks.apply(its.linear(x))))
    y, context = layer.forward(layer.init(np.random.default_rng(0)), X, train=True)
    Asks.kept.clear()
    for _ in range(2):
        layer.backward(context, y)
    assert Asks.kept == [False, False]


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # the compiler looks at it
def test_a_compiled_module_trains_as_the_plain_one():
    plain = tnn.Sequential(tnn.Linear(4, 8), tnn.GELU(), tnn.Linear(8, 3))
    layers = TorchModule(torch.compile(plain, backend="aot_eager", dynamic=True)), TorchModule(plain)
    for rows in (5, 4):
        found = []
        for layer in layers:
            y, context = layer.forward(layer.init(np.random.default_rng(0)), X[:rows], train=True)
            for _ in range(2):
                dx, grads = layer.backward(context, y)
            found.append([y, dx, *leaves(grads)])
        for compiled, its in zip(*found, strict=True):
            np.testing.assert_allclose(compiled, its, rtol=1e-5, atol=1e-6)


def test_a_module_that_writes_into_its_input_later_is_refused_then():
    layer = TorchModule(module(lambda its, x: x.relu_() if len(x) > 3 else x.relu()))
    params = layer.init(np.random.default_rng(0))
    layer.forward(params, X[:2])
    with pytest.raises(SpecError, match="writes into its input in some forward passes"):
        layer.forward(params, X.copy())


def part_evaluates():
    return tnn.Sequential(tnn.BatchNorm1d(4).eval(), tnn.Linear(4, 4))


class KeepsStatistics(tnn.Sequential):
    """Its batch norm never trains."""

    def train(self, mode=True):
        super().train(mode)
        self[0].eval()
        return self


def test_a_part_in_evaluation_mode_is_refused_unless_its_module_keeps_it_there():
    words = r"its part '0' \(BatchNorm1d\) is in evaluation mode.*call .train\(\) on the module"
    with pytest.raises(SpecError, match=words):
        TorchModule(part_evaluates())
    with pytest.raises(SpecError, match=words):
        nn.Linear(2, 4) >> TorchModule(part_evaluates)
    with pytest.raises(SpecError, match=words):
        split_module(part_evaluates(), optim.SGD(0.1), at=["1"])
    for module in (part_evaluates().eval(), part_evaluates().train()):  # a new head of an old module trains
        module[1].train()
        assert len(split_module(module, optim.SGD(0.1), at=["1"])) == 2
        assert module[0].training == module.training, "the module stays as it is"
        layer = TorchModule(module)
        params = layer.init(np.random.default_rng(0))
        assert not np.array_equal(layer.forward(params, X, train=True)[0], layer.forward(params, X)[0])
    layer = TorchModule(KeepsStatistics(tnn.BatchNorm1d(4)))
    params = layer.init(np.random.default_rng(0))
    assert_array_equal(layer.forward(params, X, train=True)[0], layer.forward(params, X)[0])


class Locked(tnn.Module):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


def weight_kept():
    """As the older weight_norm keeps it."""
    its = tnn.Linear(4, 3)
    its.computed = 2 * its.weight
    return its


class Immovable(tnn.Module):
    """As one whose `autograd.Function` of a script has a backward that is differentiable once."""

    def __reduce__(self):
        raise TypeError("cannot set '__call__'")

    def __deepcopy__(self, memo):
        return Immovable()


def test_a_module_that_cannot_travel_names_the_class_and_a_file_that_workers_import():
    with pytest.raises(SpecError, match=r"cannot be pickled.*TorchModule\(Immovable, .*client\.upload_file"):
        TorchModule(Immovable())


@for_each("make", [Locked, weight_kept])
def test_a_module_that_cannot_be_copied_is_refused_where_the_network_is_written(make):
    with pytest.raises(SpecError, match=r"the module cannot be copied.*torch.nn.utils.parametrizations"):
        nn.Linear(2, 4) >> TorchModule(make)


def test_modules_as_arguments_share_no_tensor_for_each_is_copied_by_itself():
    shared, act = tnn.Linear(4, 4), tnn.ReLU()
    TorchModule(tnn.Sequential, shared, act, tnn.Linear(4, 4), act)
    for args in ((shared, act, shared), ([shared], {"head": tnn.Sequential(act, shared)})):
        with pytest.raises(
            SpecError, match=r"weight' of .* in one is the same tensor as 'weight' of Linear in another"
        ):
            TorchModule(tnn.Sequential, *args)


def test_tensors_as_arguments_compare_by_what_they_hold():
    one, same, other = (TorchModule(tnn.Embedding.from_pretrained, torch.full((7, 4), its)) for its in (1.0, 1.0, 2.0))
    assert one == same and hash(one) == hash(same) and one != other
    assert TorchModule(tnn.Linear, 4, 3, bias=np.ones(2)) != TorchModule(tnn.Linear, 4, 3, bias=np.zeros(2))


def failing(its, x):
    if x.is_meta:
        return x
    raise ValueError("no such word")


def mixed():
    return tnn.Sequential(tnn.Linear(4, 4), tnn.Linear(4, 4).double(), module(lambda its, x: its.linear(x.double()))())


@for_each(
    "make, x, words",
    [
        (lambda: tnn.Linear(4, 3), np.ones((2, 4), np.uint8), r"the samples are uint8: nn.Scale\(mean, std\) in front"),
        (module(lambda its, x: its.linear(x[:, :4])), np.ones((2, 4), np.int16), r"int16: .* .long\(\) indices"),
        (lambda: tnn.Embedding(7, 4), np.ones((2, 4), np.bool_), r"the samples are bool: .* .long\(\) indices"),
        (lambda: tnn.Linear(4, 3), np.ones((2, 4), np.int64), r"the samples are int64: .* makes floats of them$"),
        (lambda: tnn.Linear(4, 3), np.ones((2, 4), np.int32), r"the samples are int32: .* makes floats of them$"),
    ],
)
def test_an_error_over_samples_of_another_kind_says_what_to_do(make, x, words):
    layer = TorchModule(make)
    with pytest.raises(RuntimeError) as caught:
        layer.forward(layer.init(np.random.default_rng(0)), x)
    assert re.search(words, "".join(caught.value.__notes__))


def test_an_error_over_indices_says_nothing_of_floats():
    layer = TorchModule(tnn.Embedding, 7, 4)
    with pytest.raises(IndexError) as caught:
        layer.forward(layer.init(np.random.default_rng(0)), np.full((2, 4), 7))
    assert caught.value.__notes__ == ["in TorchModule(torch.nn.Embedding, 7, 4)"]


@for_each(
    "front, words",
    [
        (module(failing), "ValueError: no such word; in TorchModule(module"),
        (lambda: tnn.Sequential(tnn.Linear(4, 4), module(failing)()), "; in '1' (Made) of TorchModule("),
        (module(lambda its, x: Fails.apply(x)), "ValueError: no way back; in the backward pass of TorchModule(module"),
        (mixed, "; in '2.linear' (Linear) of TorchModule(mixed); its tensors are made as float32 and float64"),
        (
            lambda: tnn.Sequential(tnn.ReLU(), tnn.BatchNorm1d(4)),
            "; in '1' (BatchNorm1d) of TorchModule(<lambda>); the batch has one sample: data.arrays(",
        ),
    ],
)
def test_an_error_of_a_modules_code_names_gate_layer_and_part(front, words):
    network = Gate(TorchModule(front), optim.SGD(0.1)) | Gate(nn.Linear(4, 3), optim.SGD(0.1))
    with deploy(network) as running:
        running.attach(
            Sentinel.train(data.arrays(np.ones((5, 4), np.float32), np.zeros(5, int)), batch_size=2, epochs=1)
        )
        with pytest.raises(GateError) as caught:
            running.wait(timeout=PATIENCE)
    assert "gate 'g0' on" in str(caught.value) and words in str(caught.value)


def test_a_write_into_an_empty_tensor_is_none_into_an_empty_parameter():
    def forward(its, x):
        torch.zeros(0).add_(1)
        return its.linear(x) + its.empty.sum()

    layer = TorchModule(module(forward, empty=lambda: tnn.Parameter(torch.zeros(0))))
    y, _ = layer.forward(layer.init(np.random.default_rng(0)), X, train=True)
    assert y.shape == (5, 4)
