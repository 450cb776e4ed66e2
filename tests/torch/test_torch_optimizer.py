"""Optimizers of torch as those of gates."""

import copy
import pickle
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import optim
from akkordeon_dask.errors import ShapeError, SpecError
from akkordeon_dask.torch import TorchOptimizer
from akkordeon_dask.tree import join_leaves, leaves, map_leaves, paths
from tests.support.for_each import for_each
from tests.torch.modules import frozen


class Centred(torch.optim.SGD):
    """Works in the memory of the gradients."""

    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad -= parameter.grad.mean()
        super().step(closure)


OPTIMIZERS = [
    TorchOptimizer(torch.optim.SGD, lr=0.1),
    TorchOptimizer(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.01),
    TorchOptimizer(torch.optim.AdamW, lr=0.01),
    TorchOptimizer(torch.optim.Adam, lr=0.01, amsgrad=True, weight_decay=0.1),
    TorchOptimizer(torch.optim.RMSprop, lr=0.01, centered=True, momentum=0.5),
    TorchOptimizer(torch.optim.Adagrad, lr=0.01),
    TorchOptimizer(torch.optim.NAdam, lr=0.01),
    TorchOptimizer(torch.optim.RAdam),
    TorchOptimizer(torch.optim.Adadelta),
    TorchOptimizer(torch.optim.Adamax),
    TorchOptimizer(torch.optim.Rprop),
    TorchOptimizer(torch.optim.Adafactor),
]


def numbers(seed, dtype=np.float32):
    rng = np.random.default_rng(seed)
    tree = {"w": rng.normal(size=(3, 4)).astype(dtype), "scale": np.asarray(rng.normal(), dtype)}
    return frozen_tree(({"b": rng.normal(size=4).astype(dtype)}, {**tree, "statistics": {"n": np.asarray(seed)}}))


def frozen_tree(tree):
    return map_leaves(frozen, tree)


def updated(optimizer, steps=4, dtype=np.float32):
    params = numbers(0, dtype)
    state = optimizer.init(params)
    for step in range(steps):
        grads = numbers(step + 1, dtype)
        before = [leaf.copy() for leaf in leaves((params, state.slots, grads))]
        new, after = optimizer.update(grads, state, params, stale_params=params)
        for now, then in zip(leaves((params, state.slots, grads)), before, strict=True):
            assert_array_equal(now, then)
        params, state = frozen_tree(new), after
        map_leaves(frozen, state.slots)
    return params, state


@for_each("optimizer", [*OPTIMIZERS, TorchOptimizer(Centred, lr=0.1, momentum=0.5)])
@for_each("dtype", [np.float32, np.float64])
def test_updates_are_those_of_torch_bit_for_bit_and_write_into_nothing(optimizer, dtype):
    params, state = updated(optimizer, dtype=dtype)
    tensors = [torch.from_numpy(np.array(w)).requires_grad_() for w in leaves(numbers(0, dtype), statistics=False)]
    plain = optimizer.factory(tensors, **optimizer.options)
    for step in range(4):
        for tensor, g in zip(tensors, leaves(numbers(step + 1, dtype), statistics=False), strict=True):
            tensor.grad = torch.from_numpy(np.array(g))
        plain.step()
    for w, tensor in zip(leaves(params, statistics=False), tensors, strict=True):
        assert_array_equal(w, tensor.detach().numpy())
    assert state.count == 4 and params[1]["statistics"]["n"] == 0


@for_each("optimizer", OPTIMIZERS)
def test_the_state_has_one_form_from_the_begin(optimizer):
    begin, (_, later) = optimizer.init(numbers(0)), updated(optimizer)
    begins, ends = ([*paths(state.slots)] for state in (begin, later))
    assert [(path, its.shape, its.dtype) for path, its in begins] == [
        (path, its.shape, its.dtype) for path, its in ends
    ]


@for_each("optimizer", OPTIMIZERS)
def test_an_optimizer_is_a_value(optimizer):
    written = eval(repr(optimizer), {"TorchOptimizer": TorchOptimizer, "torch": torch})
    for same in (written, pickle.loads(pickle.dumps(optimizer)), copy.deepcopy(optimizer)):
        assert same == optimizer and hash(same) == hash(optimizer) and repr(same) == repr(optimizer)
    assert optimizer != optim.SGD(0.1) and optimizer != TorchOptimizer(torch.optim.SGD, lr=0.2)


def test_averages_and_bounds_of_ours_wrap_it():
    adam = TorchOptimizer(torch.optim.AdamW, lr=0.01)
    plain, _ = updated(adam)
    wrapped, state = updated(optim.EMA(adam))
    for w, its in zip(leaves(wrapped), leaves(plain), strict=True):
        assert_array_equal(w, its)
    assert not np.array_equal(optim.EMA(adam).rated_params(wrapped, state)[0]["b"], wrapped[0]["b"])
    clipped, _ = updated(optim.Clip(adam, norm=1e9))
    assert_array_equal(clipped[0]["b"], plain[0]["b"])


def test_a_schedule_and_a_slower_rate_scale_the_step():
    params, grads = numbers(0), numbers(1)
    sizes = []
    for optimizer, factor in (
        (TorchOptimizer(torch.optim.SGD, lr=0.1), 1.0),
        (TorchOptimizer(torch.optim.SGD, lr=0.1), 0.5),
        (TorchOptimizer(torch.optim.SGD, lr=optim.Step(0.05, 10)), 1.0),
    ):
        new, state = optimizer.update(grads, optimizer.init(params).slowed(factor), params, stale_params=params)
        assert state.rate == factor
        sizes.append(np.abs(new[0]["b"] - params[0]["b"]).max())
    np.testing.assert_allclose(sizes[1:], sizes[0] / 2, rtol=1e-5)


@dataclass(frozen=True, repr=False)
class Falling(optim.Schedule):
    """A straight line, that goes on below 0."""

    updates: int

    def __call__(self, count):
        return 1 - count / self.updates


def test_a_schedule_that_falls_below_0_is_named_with_what_it_gives():
    optimizer, params = TorchOptimizer(torch.optim.SGD, lr=Falling(2)), numbers(0)
    state = optimizer.init(params)
    for step in range(3):
        params, state = optimizer.update(numbers(step), state, params, stale_params=params)
    with pytest.raises(SpecError, match=r"Falling\(2\) gives -0.5 after 3 updates: a learning rate is a finite number"):
        optimizer.update(numbers(3), state, params, stale_params=params)


def test_a_rate_that_is_a_tensor_stays_as_it_is_when_updates_are_slowed():
    lr = torch.tensor(0.5)
    ends = []
    for rate in (lr, 0.5):
        optimizer, params = TorchOptimizer(torch.optim.SGD, lr=rate), numbers(0)
        state = optimizer.init(params).slowed(0.5)
        for step in range(3):
            params, state = optimizer.update(numbers(step), state, params, stale_params=params)
        ends.append(leaves(params))
    assert lr == 0.5
    for its, other in zip(*ends, strict=True):
        assert_array_equal(its, other)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TorchOptimizer(torch.optim.LBFGS),
        lambda: TorchOptimizer(torch.optim.SGD, lr=-1),
        lambda: TorchOptimizer(torch.optim.SGD, rate=1),
        lambda: TorchOptimizer("AdamW"),
    ],
    ids=["closure", "negative", "unknown option", "text"],
)
def test_what_makes_no_update_is_refused(make):
    with pytest.raises(SpecError):
        make()


class Counts(torch.optim.SGD):
    """Its steps become smaller, by a count that `remember` keeps."""

    def step(self, closure=None):
        number = self.remember()
        for group in self.param_groups:
            group["lr"] = self.defaults["lr"] / number
        super().step(closure)


class InGroups(Counts):
    def remember(self):
        self.param_groups[0]["k"] = self.param_groups[0].get("k", 0) + 1
        return self.param_groups[0]["k"]


class InItself(Counts):
    def remember(self):
        self.number = getattr(self, "number", 0) + 1
        return self.number


class InItsState(Counts):
    def remember(self):
        self.state["all"] = self.state.get("all", 0) + 1
        return self.state["all"]


class AsNumber(Counts):
    def remember(self):
        its = self.state[self.param_groups[0]["params"][0]]
        its["t"] = its.get("t", 0) + 1
        return its["t"]


@for_each(
    "kind, words",
    [
        *(
            (kind, r"remembers something beside optimizer.state\[parameter\]")
            for kind in (InGroups, InItself, InItsState)
        ),
        (AsNumber, r"TorchOptimizer\(AsNumber, lr=0.1\) remembers t=1: only tensors are carried"),
    ],
)
def test_an_optimizer_whose_memory_would_be_lost_between_updates_is_refused(kind, words):
    with pytest.raises(SpecError, match=words):
        TorchOptimizer(kind, lr=0.1)


def test_an_optimizer_that_cannot_train_these_arrays_says_which():
    muon = TorchOptimizer(torch.optim.Muon)
    muon.init({"w": np.zeros((3, 4), np.float32)})
    with pytest.raises(SpecError, match=r"torch.optim.Muon\) cannot train arrays of shapes \(4,\), \(3, 4\), .*2D"):
        muon.init(numbers(0))


def test_gradients_are_found_by_their_names():
    params = {"gamma": np.ones(2, np.float32), "beta": np.zeros(2, np.float32)}
    grads = {"beta": np.full(2, 10, np.float32), "gamma": np.ones(2, np.float32)}
    optimizer = TorchOptimizer(torch.optim.SGD, lr=0.1)
    new, _ = optimizer.update(grads, optimizer.init(params), params, stale_params=params)
    assert_allclose(new["gamma"], 0.9, rtol=1e-6)
    assert_allclose(new["beta"], -1.0, rtol=1e-6)


def test_another_form_is_refused():
    optimizer, params = TorchOptimizer(torch.optim.AdamW), numbers(0)
    with pytest.raises(ShapeError, match="differ in form"):
        optimizer.update(params[:1], optimizer.init(params), params, stale_params=params)
    with pytest.raises(ShapeError, match="begin with init"):
        optimizer.update(params, optimizer.init(params[:1]), params, stale_params=params)


def test_late_gradients_are_compensated_before_an_optimizer_of_torch_sees_them():
    adam = TorchOptimizer(torch.optim.AdamW, lr=0.01)
    compensated = optim.DelayCompensation(adam, lam=0.5)
    params, stale, grads = numbers(0), numbers(1), numbers(2)

    def new(optimizer, grads, stale):
        return leaves(optimizer.update(grads, optimizer.init(params), params, stale_params=stale)[0])

    by_hand = join_leaves(lambda g, w, old: np.asarray(g + np.float32(0.5) * g * g * (w - old)), grads, params, stale)
    for found, expected in zip(new(compensated, grads, stale), new(adam, by_hand, stale), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    for found, expected in zip(new(compensated, grads, params), new(adam, grads, params), strict=True):
        assert_array_equal(found, expected)
