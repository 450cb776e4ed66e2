"""Whatever a module may do to memory that other batches in flight share is carried, or refused by name."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn as tnn

from akkordeon_dask import nn
from akkordeon_dask.errors import ShapeError, SpecError
from akkordeon_dask.torch import TorchModule
from akkordeon_dask.tree import leaves
from tests.support.for_each import for_each
from tests.torch.modules import Case, PartlyFrozen, Recurrent, TiedLinear, X, started, trained_once


class Counts(tnn.Module):
    """Writes into a buffer in place, and puts another one in place of a second."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("last", torch.zeros(4))
        self.w = tnn.Parameter(torch.ones(4))

    def forward(self, x):
        if self.training:
            self.seen += len(x)
            self.last = x.mean(0).detach()
        return x * self.w


class KeepsHidden(tnn.Module):
    """Begins a batch where the one before has ended."""

    def __init__(self):
        super().__init__()
        self.inner, self.hidden = tnn.GRUCell(4, 4), None

    def forward(self, x):
        self.hidden = self.inner(x, self.hidden).detach()
        return self.hidden


class KeepsAList(tnn.Module):
    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append(len(x))
        return x


class WritesTransient(tnn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.zeros(4), persistent=False)

    def forward(self, x):
        self.total += x.detach().sum(0)
        return x + self.total


class WritesParameter(tnn.Module):
    def __init__(self):
        super().__init__()
        self.w = tnn.Parameter(torch.ones(4))

    def forward(self, x):
        with torch.no_grad():
            self.w.clamp_(max=0.5)
        return x * self.w


class Narrow(tnn.Module):
    def forward(self, x):
        return x.bfloat16()


class FirstRow(tnn.Module):
    def forward(self, x):
        return x[0]


def test_writes_into_buffers_are_committed_by_the_update_and_by_nothing_else():
    layer, params = started(TorchModule(Counts))
    before = [leaf.copy() for leaf in leaves(params)]
    one, two = trained_once(layer, params, X), trained_once(layer, params, X[:2])
    layer.forward(params, X)
    for now, then in zip(leaves(params), before, strict=True):
        assert_array_equal(now, then)
    after = layer.advance(layer.advance(params, one), two)["statistics"]
    assert_array_equal(after["last"], X[:2].mean(0))
    other = layer.advance(layer.advance(params, two), one)["statistics"]
    assert_array_equal(other["last"], X.mean(0), "in the order of the updates")


def test_evaluation_is_a_mode_of_the_call_and_flips_nothing():
    layer, params = started(TorchModule(tnn.Sequential, tnn.BatchNorm1d(4), tnn.Dropout(0.5)))
    first, _ = layer.forward(params, X)
    y, context = layer.forward(params, X, train=True, key=nn.Key((1,)))
    again, _ = layer.forward(params, X)
    assert_array_equal(first, again)
    assert (y == 0).any() and not (first == 0).any()
    layer.backward(context, np.ones_like(y))
    assert_array_equal(layer.forward(params, X, train=True, key=nn.Key((1,)))[0], y)


def test_tied_parameters_are_one_leaf_with_the_gradient_of_both():
    layer, params = started(TorchModule(TiedLinear, 4, 3))
    assert sorted(params) == ["first.bias", "first.weight"] or sorted(params) == ["first.bias", "w"]
    module = TiedLinear(4, 3)
    name = next(name for name in params if "bias" not in name)
    with torch.no_grad():
        module.w.copy_(torch.from_numpy(params[name]))
        module.first.bias.copy_(torch.from_numpy(params["first.bias"]))
    module(torch.from_numpy(X.copy())).sum().backward()
    np.testing.assert_allclose(trained_once(layer, params, X)[name], module.w.grad.numpy(), rtol=1e-6)
    assert {"w", "first.weight"} == set(layer.parameter_names(name))


def test_frozen_parameters_are_no_part_of_what_is_trained():
    layer, params = started(TorchModule(PartlyFrozen))
    grads = trained_once(layer, params, X)
    assert sorted(key for key in params if key != "statistics") == ["head.bias", "head.weight"]
    assert sorted(params["statistics"]) == ["body.bias", "body.weight"]
    assert_array_equal(layer.advance(params, grads)["statistics"]["body.weight"], params["statistics"]["body.weight"])


def test_of_whole_numbers_the_gradient_is_zeros():
    case = Case(TorchModule(tnn.Embedding, 7, 4), (3,), words=7)
    y, context = case.forward(case.params(), case.x())
    dx, _ = case.layer.backward(context, np.ones_like(y))
    assert dx.dtype == np.float32 and not dx.any()


def test_a_module_that_works_in_the_place_of_its_input_gets_a_copy():
    layer, params = started(TorchModule(tnn.ReLU, inplace=True))
    x, writable = X, X.copy()
    for given in (x, writable, writable, x):
        for train in (True, False):
            y, context = layer.forward(params, given, train=train, key=nn.Key((0,)))
            assert_array_equal(y, np.maximum(X, 0))
            assert_array_equal(layer.backward(context, np.ones_like(y))[0], X > 0)
    assert_array_equal(writable, X)


@pytest.mark.parametrize(
    ("kind", "word"),
    [(KeepsHidden, "hidden"), (KeepsAList, "seen"), (WritesTransient, "total")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_what_a_module_keeps_of_a_batch_is_refused_by_name(kind, word):
    layer, params = started(TorchModule(kind))
    for train in (True, False):
        with pytest.raises(SpecError, match=rf"keeps '{word}' from one forward pass to the next.*register_buffer"):
            layer.forward(params, X, train=train, key=nn.Key((0,)))


@pytest.mark.parametrize(
    ("layer", "x"),
    [(TorchModule(WritesParameter), X), (TorchModule(tnn.Embedding, 7, 4, max_norm=0.1), np.array([[1, 2]]))],
    ids=repr,
)
def test_a_module_that_writes_into_its_parameters_is_refused_and_has_written_nothing(layer, x):
    _, params = started(layer)
    before = [leaf.copy() for leaf in leaves(params)]
    for train in (True, False):
        with pytest.raises(SpecError, match="writes into its parameter"):
            layer.forward(params, x, train=train, key=nn.Key((0,)))
    for now, then in zip(leaves(params), before, strict=True):
        assert_array_equal(now, then)


@pytest.mark.parametrize(
    ("layer", "x", "words"),
    [
        (TorchModule(tnn.LSTM, 4, 3, batch_first=True), np.zeros((2, 3, 4), np.float32), "a tuple of 2 values"),
        (TorchModule(FirstRow), X, r"gives shape \(4,\) for 5 samples"),
        (TorchModule(Narrow), X, "numpy has no bfloat16"),
    ],
    ids=["tuple", "first row", "bfloat16"],
)
def test_an_output_that_no_gate_can_pass_on_is_refused(layer, x, words):
    _, params = started(layer)
    with pytest.raises(ShapeError, match=words):
        layer.forward(params, x, train=True, key=nn.Key((0,)))


class Twice(tnn.Module):
    """One part is at two places."""

    def __init__(self):
        super().__init__()
        self.first = self.second = tnn.Linear(4, 4)
        self.norm = tnn.BatchNorm1d(4)

    def forward(self, x):
        return self.second(self.norm(torch.tanh(self.first(x))))


class Masked(tnn.Module):
    """Attention with a mask that is a buffer, persistent or not."""

    def __init__(self, persistent):
        super().__init__()
        self.inner = tnn.MultiheadAttention(4, 2, batch_first=True)
        self.register_buffer("mask", torch.ones(5, 5, dtype=torch.bool).triu(1), persistent=persistent)

    def forward(self, x):
        return self.inner(x[None], x[None], x[None], attn_mask=self.mask, need_weights=False)[0][0]


class PartlyWithoutGradients(tnn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = tnn.Linear(4, 4), tnn.Linear(4, 3)

    def forward(self, x):
        with torch.no_grad():
            x = torch.tanh(self.first(x))
        return self.second(x)


def normed_recurrent():
    """Features are steps of a sequence."""
    inner = Recurrent(tnn.LSTM, 1, 3)
    tnn.utils.parametrizations.weight_norm(inner.inner, "weight_hh_l0")
    return tnn.Sequential(tnn.Unflatten(1, (4, 1)), inner, tnn.Flatten())


def hooked(register, hook):
    module = tnn.Linear(4, 3)
    getattr(module, register)(hook)
    return module


@for_each(
    "make",
    [
        Twice,
        lambda: Masked(True),
        lambda: Masked(False),
        PartlyWithoutGradients,
        lambda: tnn.utils.parametrizations.weight_norm(tnn.Linear(4, 3)),
        lambda: tnn.utils.parametrizations.spectral_norm(tnn.Linear(4, 3)),
        lambda: tnn.utils.parametrizations.orthogonal(tnn.Linear(4, 3)),
        normed_recurrent,
        lambda: hooked("register_forward_hook", lambda its, args, y: 2 * y),
        lambda: hooked("register_forward_pre_hook", lambda its, args: (3 * args[0],)),
        lambda: hooked("register_full_backward_hook", lambda its, dx, dy: (5 * dx[0],)),
    ],
)
def test_a_pass_and_its_gradients_are_those_of_the_module_itself(make):
    layer, params = started(TorchModule(make))
    torch.manual_seed(0)
    module = make()
    state = {**params, **params.get("statistics", {})}
    state = {name: torch.from_numpy(np.array(its)) for name, its in state.items() if name != "statistics"}
    named = {name: state[first] for first in state for name in layer.parameter_names(first)}
    module.load_state_dict(named)
    x = torch.from_numpy(X.copy()).requires_grad_()
    expected = module(x)
    expected.square().sum().backward()
    y, context = layer.forward(params, X, train=True, key=nn.Key((0,)))
    dx, grads = layer.backward(context, 2 * y)
    assert_array_equal(y, expected.detach().numpy())
    assert_array_equal(dx, np.zeros_like(X) if x.grad is None else x.grad.numpy())
    for name, its in module.named_parameters():
        theirs = np.zeros_like(params[name]) if its.grad is None else its.grad.numpy()
        np.testing.assert_allclose(grads[name], theirs, rtol=1e-5, atol=1e-6)
    after = layer.advance(params, grads)
    for name, its in module.named_buffers():
        if name in after.get("statistics", {}):
            assert_array_equal(after["statistics"][name], its.numpy())


class Positioned(tnn.Module):
    """Adds a product with what is computed anew by every process, not saved."""

    def __init__(self, dtype):
        super().__init__()
        self.linear = tnn.Linear(4, 4)
        self.register_buffer("basis", torch.linspace(0, 1, 16, dtype=dtype).reshape(4, 4), persistent=False)

    def forward(self, x):
        return self.linear(x) + torch.tanh(x) @ self.basis


@for_each("dtype", [np.float32, np.float64])
@for_each("made", [torch.float32, torch.float64, torch.bfloat16])
def test_buffers_that_are_not_persistent_have_the_precision_of_the_gate(made, dtype):
    layer, params = started(TorchModule(Positioned, made), dtype)
    module = Positioned(made).to(torch.from_numpy(params["linear.weight"]).dtype)
    module.load_state_dict({name: torch.from_numpy(its) for name, its in params.items()})
    x = X.astype(dtype)
    expected = module(torch.from_numpy(x)).detach().numpy()
    for train in (True, False):
        assert_array_equal(layer.forward(params, x, train=train, key=nn.Key((0,)))[0], expected)
        layer.forward(layer.init(np.random.default_rng(0), np.float32), X, train=train, key=nn.Key((0,)))


def test_shapes_are_checked_where_the_network_is_written():
    with pytest.raises(ShapeError, match=r"TorchModule\(torch.nn.Linear, 9, 2\) cannot take samples of shape \(10,\)"):
        nn.Linear(4, 10) >> TorchModule(tnn.Linear, 9, 2)
    chain = nn.Linear(4, 36) >> nn.Reshape((4, 9)) >> TorchModule(Recurrent, tnn.GRU, 9, 2)
    assert chain.output_shape((4,)) == (4, 2)
    with pytest.raises(ShapeError, match="a tuple"):
        nn.Linear(4, 36) >> nn.Reshape((4, 9)) >> TorchModule(tnn.GRU, 9, 2, batch_first=True)


@for_each("dtype", [torch.float64, torch.float16, torch.bfloat16])
@for_each(
    "make, shape, behind",
    [
        (lambda dtype: tnn.Conv2d(2, 3, 3, dtype=dtype), (2, 5, 5), (3, 3, 3)),
        (lambda dtype: Recurrent(tnn.GRU, 4, 2).to(dtype), (3, 4), (3, 2)),
        (lambda dtype: tnn.Sequential(tnn.Embedding(7, 4), Recurrent(tnn.GRU, 4, 2)).to(dtype), (3,), (3, 2)),
        (Positioned, (4,), (4,)),
    ],
)
def test_shapes_of_modules_made_in_another_precision_are_those_in_the_gates(make, shape, behind, dtype):
    assert TorchModule(make, dtype).output_shape(shape) == TorchModule(make(dtype)).output_shape(shape) == behind


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TorchModule(3), "a module, a class of modules or a function, not 3"),
        (lambda: TorchModule(tnn.Linear(2, 2), 3), "takes no further arguments"),
        (lambda: TorchModule(tnn.Linear, 2).init(np.random.default_rng(0)), "cannot be made: TypeError"),
        (lambda: TorchModule(dict).init(np.random.default_rng(0)), "has to make a torch.nn.Module"),
        (
            lambda: TorchModule(tnn.LazyLinear, 2).init(np.random.default_rng(0)),
            "'weight' has a shape that is not known",
        ),
    ],
    ids=["number", "arguments", "raises", "no module", "lazy"],
)
def test_what_makes_no_module_is_refused(make, words):
    with pytest.raises(SpecError, match=words):
        make()
