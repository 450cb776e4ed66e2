"""Random numbers are a function of the key, whatever else draws in the process."""

import functools
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn as tnn

from akkordeon_dask import nn
from akkordeon_dask.errors import SpecError
from akkordeon_dask.torch import TorchModule, torch_seed
from tests.support.for_each import for_each
from tests.support.patience import PATIENCE

X = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
RUNS = 1000


class Shared:
    """An iterator that copies of a module share."""

    def __init__(self, numbers):
        self._numbers = iter(numbers)

    def __next__(self):
        return next(self._numbers)

    def __deepcopy__(self, memo):
        return self


class SometimesDraws(tnn.Module):
    """Draws for long batches alone, which no first pass shows."""

    def forward(self, x):
        return x * torch.rand(x.shape) if len(x) > 2 else x * 1


class Permuted(tnn.Module):
    """Draws when it is made, from the generators that are not torch's."""

    def __init__(self):
        super().__init__()
        self.order = np.random.permutation(8)
        self.w = tnn.Parameter(torch.tensor([random.random() for _ in range(8)]))

    def forward(self, x):
        return x[:, self.order] * self.w


def test_eight_threads_with_two_gates_draw_a_thousand_times_what_one_thread_draws():
    layers = [TorchModule(tnn.Dropout, 0.5), TorchModule(tnn.Sequential, tnn.Linear(8, 8), tnn.Dropout(0.3))]
    params = [layer.init(np.random.default_rng(0)) for layer in layers]

    def once(number):
        which = number % 2
        y, context = layers[which].forward(params[which], X, train=True, key=nn.Key((number // 20,)))
        return y.tobytes(), layers[which].backward(context, X)[0].tobytes()

    expected = [once(number) for number in range(RUNS)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(once, range(RUNS))) == expected
    assert len(set(expected)) == RUNS // 10


def test_the_generator_is_put_back_also_after_an_error():
    torch.manual_seed(5)
    expected = torch.rand(3)
    layer = TorchModule(tnn.Dropout, 0.5)
    torch.manual_seed(5)
    layer.forward({}, X, train=True, key=nn.Key((1,)))
    layer.init(np.random.default_rng(0))
    with pytest.raises(SpecError):
        TorchModule(tnn.LSTM, 0).init(np.random.default_rng(0))
    assert torch.equal(torch.rand(3), expected)


def test_all_processes_make_the_same_module_whichever_generator_it_draws_from():
    np.random.seed(5)
    random.seed(5)
    expected = np.random.random(), random.random()
    np.random.seed(5)
    random.seed(5)
    outputs = []
    for _ in range(2):
        layer = TorchModule(Permuted)
        params = layer.init(np.random.default_rng(1))
        outputs.append(layer.forward(params, X)[0])
        assert not np.array_equal(layer.init(np.random.default_rng(2))["w"], params["w"])
    assert_array_equal(*outputs)
    assert (np.random.random(), random.random()) == expected


def test_the_masks_are_those_of_torch_with_the_public_seed():
    key = nn.Key((3,)).fold("g0", "s0", 1, 7, 0)
    torch.manual_seed(torch_seed(key))
    expected = tnn.Dropout(0.5)(torch.from_numpy(X)).numpy()
    assert_array_equal(TorchModule(tnn.Dropout, 0.5).forward({}, X, train=True, key=key)[0], expected)


def test_training_without_a_key_says_what_to_pass():
    layer = TorchModule(tnn.Dropout, 0.5)
    for _ in range(2):
        with pytest.raises(SpecError, match=r"draws random numbers: to train it pass key=nn\.Key"):
            layer.forward({}, X, train=True)
    assert_array_equal(layer.forward({}, X)[0], X)


class Disturbed(tnn.Module):
    """Another thread draws during its passes, never twice as much."""

    def __init__(self, compute, passes):
        super().__init__()
        self.compute, self.passes = compute, passes

    def forward(self, x):
        if (number := next(self.passes, None)) is not None:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(torch.rand, number).result(PATIENCE)
        return self.compute(x)


@for_each("train", [True, False])
@for_each("passes", [range(1, 1000), range(1, 2), range(2, 3)])
def test_a_thread_that_draws_meanwhile_has_no_module_blamed(passes, train):
    compute = functools.partial(torch.dropout, p=0.5, train=True)
    layer = TorchModule(lambda: Disturbed(compute, Shared(passes)))
    for _ in range(2):
        layer.forward({}, X, train=train, key=nn.Key((0,)))
    assert layer._blueprint.examined[train]


def test_a_thread_that_draws_once_has_no_module_taken_for_one_that_draws():
    layer = TorchModule(lambda: Disturbed(torch.relu, Shared(range(1, 2))))
    layer.forward({}, X, train=True)
    assert layer._blueprint.examined[True] is False


@for_each("passes", [range(0), range(1, 2), range(1, 3)])
def test_a_module_that_draws_elsewhere_is_refused_once_no_other_thread_draws(passes):
    layer = TorchModule(lambda: Disturbed(lambda x: x * torch.rand(1) * random.random(), Shared(passes)))
    with pytest.raises(SpecError, match=r"gives another output .* torch's default one"):
        layer.forward({}, X, train=True, key=nn.Key((0,)))


class Noisy(tnn.Module):
    def forward(self, x):
        return x + torch.randn(x.shape)


@for_each("how", [{}, {"random": True}])
def test_draws_of_an_evaluation_are_a_function_of_what_goes_in(how):
    def noise(x):
        return TorchModule(Noisy, **how).forward({}, x)[0] - x

    one = noise(X)
    assert_array_equal(noise(X.copy()), one, "sent again, to another process")
    others = [noise(X[::-1]), noise(X + 1), noise(X + one)]  # another batch, and the next layer
    for other in others:
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.5
    layer = TorchModule(Noisy, **how)
    y, context = layer.forward({}, X)
    assert_array_equal(layer.forward({}, X)[0], y, "after its first pass, too")
    assert_array_equal(layer.backward(context, X)[0], X)


def test_a_module_that_draws_nothing_needs_no_key_and_waits_for_nobody():
    layer = TorchModule(tnn.Linear, 8, 3)
    params = layer.init(np.random.default_rng(0))
    layer.forward(params, X, train=True)
    from akkordeon_dask.torch._random import _lock

    with ThreadPoolExecutor(1) as pool, _lock:
        pool.submit(layer.forward, params, X, train=True).result(PATIENCE)


def test_a_module_that_draws_at_times_can_say_so():
    layer = TorchModule(SometimesDraws, random=True)
    layer.forward({}, X[:2], train=True, key=nn.Key((1,)))
    y, _ = layer.forward({}, X, train=True, key=nn.Key((1,)))
    torch.manual_seed(1)
    assert_array_equal(layer.forward({}, X, train=True, key=nn.Key((1,)))[0], y)
    assert not TorchModule(tnn.Linear, 8, 3, random=False).draws


def test_a_pass_computes_on_one_thread_and_leaves_the_number_as_it_was():
    seen = []

    class Looks(tnn.Module):
        def forward(self, x):
            seen.append(torch.get_num_threads())
            torch.set_num_threads(3)
            return x * 1

    def elsewhere():
        torch.set_num_threads(2)
        layer = TorchModule(Looks)
        for train in (True, False):
            layer.forward({}, X, train=train)
        seen.append(torch.get_num_threads())
        torch.set_num_threads(1)  # what threads to come begin with

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(PATIENCE)
    assert set(seen[:-1]) == {1, 3} and seen[0] == 1 and seen[-1] == 2
