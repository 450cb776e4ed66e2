"""Modules on devices: without one the errors say so, and copies of versions are told apart."""

import gc
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn as tnn

from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim
from akkordeon_dask.errors import PlacementError, SpecError
from akkordeon_dask.torch import TorchModule, TorchOptimizer
from akkordeon_dask.torch._devices import DeviceMemory, find_device
from akkordeon_dask.tree import leaves
from tests.support.for_each import for_each
from tests.support.patience import PATIENCE
from tests.support.small_networks import equal
from tests.torch.modules import CASES, Case, frozen, trained_leaves

ADAM = TorchOptimizer(torch.optim.AdamW, lr=1e-2)
without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
with_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no CUDA device on this machine")


class Apart(DeviceMemory):
    """Copies as those of a device, on the CPU."""

    def __init__(self):
        super().__init__(torch.device("cpu"))
        self.copied = 0

    shares = False

    def _copy(self, array):
        self.copied += 1
        return super()._copy(array).clone()


def on_device(case, device):
    layer = case.layer
    return Case(
        TorchModule(layer.factory, *layer.args, random=layer.random, device=device, **layer.kwargs),
        case.shape, case.words, case.mixes,
    )  # fmt: skip


def apart(case):
    """The case, with copies of each version; and its memory."""
    other, memory = on_device(case, "cpu"), Apart()
    other.layer._blueprint.memory = memory
    return other, memory


def assert_same_pass(case, other, same=assert_array_equal):
    params, x, dy = case.params(np.float32), case.x(4, np.float32), case.dy(4, np.float32)
    for train in (True, False):
        y, context = case.forward(params, x, train=train)
        its_y, its_context = other.forward(params, x, train=train)
        same(its_y, y)
        dx, grads = case.layer.backward(context, dy)
        its_dx, its_grads = other.layer.backward(its_context, dy)
        for now, then in zip([its_dx, *trained_leaves(its_grads)], [dx, *trained_leaves(grads)], strict=True):
            same(now, then)
        for now, then in zip(
            leaves(other.layer.advance(params, its_grads)), leaves(case.layer.advance(params, grads)), strict=True
        ):
            same(now, then)


@for_each("case", CASES)
@for_each("device", ["cpu"] if torch.cuda.is_available() else ["cpu", "auto"])
def test_the_cpu_is_no_device(case, device):
    other = on_device(case, device)
    assert_same_pass(case, other)
    assert other.layer.check_here() is None


@for_each("case", CASES)
def test_with_copies_of_a_version_the_passes_are_the_same(case):
    assert_same_pass(case, apart(case)[0])


def test_a_version_is_copied_once_and_its_copies_die_with_it():
    case, memory = apart(Case(TorchModule(tnn.Sequential, tnn.Linear(4, 4), tnn.BatchNorm1d(4)), (4,)))
    versions = [case.params(np.float32, seed) for seed in (0, 1)]
    outputs = [case.forward(version, case.x(dtype=np.float32))[0] for version in versions * 3]
    assert memory.copied == 2 * len(leaves(versions[0]))
    for number, y in enumerate(outputs):
        assert_array_equal(y, outputs[number % 2])
    versions.pop()
    gc.collect()
    assert len(memory._copies) == len(leaves(versions[0]))


@pytest.mark.parametrize("device", ["gpu", "meta", "cuda:x", 1, "cuda:-1"])
def test_what_is_no_device_is_refused(device):
    with pytest.raises(SpecError, match=r"device is 'cpu', 'cuda', one of several"):
        TorchModule(tnn.Linear, 4, 3, device=device)


def test_a_device_is_part_of_the_value_and_shapes_are_known_without_it():
    layer = TorchModule(tnn.Linear, 4, 3, device="cuda:7")
    assert layer == pickle.loads(pickle.dumps(layer)) != TorchModule(tnn.Linear, 4, 3)
    assert repr(layer) == "TorchModule(torch.nn.Linear, 4, 3, device='cuda:7')"
    assert (nn.Identity() >> layer).output_shape((4,)) == (3,)
    assert len(leaves(layer.init(np.random.default_rng(0)))) == 2, "the client of a cluster needs none"


@without_cuda
@for_each("wrapped", [lambda layer: layer, nn.Residual, lambda layer: nn.ReLU() >> layer])
def test_a_gate_whose_worker_has_no_such_device_is_not_created(wrapped):
    network = Gate(nn.Linear(4, 4), optim.SGD(0.1)) | Gate(
        wrapped(TorchModule(tnn.Linear, 4, 4, device="cuda")), optim.SGD(0.1)
    )
    with pytest.raises(PlacementError, match=r"gate 'g1' on inproc://.*there is no device 'cuda'.*sees 0 CUDA devices"):
        deploy(network)


def test_a_layer_that_may_be_on_a_device_says_that_it_waits_for_it():
    waits = {device: TorchModule(tnn.Linear, 4, 4, device=device).waits for device in (None, "cpu", "auto", "cuda:1")}
    assert waits == {None: False, "cpu": False, "auto": True, "cuda:1": True}
    assert (nn.ReLU() >> TorchModule(tnn.Linear, 4, 4, device="cuda")).waits


def test_a_residual_waits_where_one_of_its_branches_does():
    class Waits(nn.Identity):
        waits = True

    assert nn.Residual(Waits()).waits and (nn.ReLU() >> nn.Residual(Waits())).waits
    assert not nn.Residual(nn.ReLU()).waits


@with_cuda
@for_each("case", CASES)
def test_passes_on_a_cuda_device_are_those_of_the_cpu(case):
    other = on_device(case, "cuda")
    case.forward(case.params(np.float32), case.x(dtype=np.float32))
    if not case.layer._blueprint.examined[True]:  # each device draws masks of its own
        assert_same_pass(case, other, lambda one, two: assert_allclose(one, two, rtol=1e-2, atol=1e-2))


@with_cuda
def test_a_network_trains_on_a_cuda_device_and_masks_are_the_same_each_time():
    x = frozen(np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32))
    network = Gate(
        TorchModule(tnn.Sequential, tnn.Linear(8, 16), tnn.BatchNorm1d(16), tnn.Dropout(0.3), device="cuda"), ADAM
    ) | Gate(TorchModule(tnn.Linear, 16, 2, device="auto"), ADAM)
    found = []
    for _ in range(2):
        with deploy(network, seed=1) as running:
            running.attach(
                Sentinel.train(data.arrays(x, (x[:, 0] > 0).astype(int)), batch_size=16, concurrency=1, epochs=30)
            )
            history = running.wait(timeout=PATIENCE)
            found.append(running.parameters())
    assert history[-1].loss < history[0].loss and equal(*found)
    assert find_device("cuda", "") == torch.device("cuda", torch.cuda.current_device())
