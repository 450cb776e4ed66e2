"""Files of torch modules: what `save` writes torch loads, and `load` takes what torch writes."""

import copy
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from safetensors.torch import load_file, save_file
from torch import nn as tnn

from akkordeon_dask import Gate, Network, Sentinel, data, deploy, nn, optim
from akkordeon_dask.errors import CheckpointError, SpecError
from akkordeon_dask.snapshots import digest
from akkordeon_dask.torch import TorchModule, TorchOptimizer, split_module, state_dict
from akkordeon_dask.tree import paths
from tests.support.for_each import for_each
from tests.support.gate_versions import versions
from tests.support.one_worker import one_worker
from tests.support.patience import PATIENCE
from tests.support.small_networks import equal
from tests.torch.modules import Tied, block, registered

ADAM = TorchOptimizer(torch.optim.AdamW, lr=1e-3)
IMAGES = data.arrays(
    np.random.default_rng(0).normal(size=(48, 2, 4, 4)).astype(np.float32), np.random.default_rng(0).integers(0, 3, 48)
)
WORDS = data.arrays(np.random.default_rng(0).integers(0, 7, (48, 3)), np.random.default_rng(0).integers(0, 3, 48))


@pytest.fixture(scope="module")
def client():
    with one_worker() as client:
        yield client


def model():
    return tnn.Sequential(block(), tnn.Flatten(), tnn.Linear(16, 3))


def trained(running, provider=IMAGES, **options):
    running.attach(Sentinel.train(provider, batch_size=8, epochs=2, **options))
    running.wait(timeout=PATIENCE)


def test_the_module_loads_what_was_saved_in_two_gates_and_the_gates_what_torch_saved(client, tmp_path):
    path, module = tmp_path / "trained.safetensors", model()
    with deploy(split_module(module, ADAM, at=["1"]), client, seed=1) as running:
        trained(running, concurrency=3)
        running.save(path)
        module.load_state_dict(load_file(path))
        assert module[0][1].num_batches_tracked == 12
        parameters = running.parameters()
        with torch.no_grad():
            for its in module.parameters():
                its.mul_(2)
        save_file(module.state_dict(), tmp_path / "torch.safetensors")
        running.load(tmp_path / "torch.safetensors")
        loaded = state_dict(running.network, running.parameters())
        assert all(torch.equal(its, module.state_dict()[name]) for name, its in loaded.items())
        running.load(path)
        assert equal(running.parameters(), parameters)
        trained(running)


def test_tied_weights_are_saved_by_both_names_and_loaded_by_one(client, tmp_path):
    network = Gate(TorchModule(Tied), ADAM) | Gate(nn.Flatten() >> TorchModule(tnn.Sequential, tnn.Linear(21, 3)), ADAM)
    with deploy(network, client) as running:
        trained(running, WORDS)
        running.save(tmp_path / "all.safetensors")
        whole, parameters = load_file(tmp_path / "all.safetensors"), running.parameters()
        assert torch.equal(whole["embed.weight"], whole["head.weight"])
        running.load(tmp_path / "all.safetensors")
        save_file({**whole, "head.weight": whole["head.weight"] + 1}, tmp_path / "untied.safetensors")
        words = "has 'embed.weight' and 'head.weight' with different numbers, and in this network they are one tensor"
        with pytest.raises(CheckpointError, match=words):
            running.load(tmp_path / "untied.safetensors")
        del whole["head.weight"]
        save_file(whole, tmp_path / "once.safetensors")
        running.load(tmp_path / "once.safetensors")
        assert equal(running.parameters(), parameters)
        Tied().load_state_dict(state_dict(running.network[:1], parameters))
        del whole["embed.weight"]
        save_file(whole, tmp_path / "lacks.safetensors")
        with pytest.raises(CheckpointError, match=r"lacks.safetensors' lacks 'embed.weight', unlike the network"):
            running.load(tmp_path / "lacks.safetensors")


def test_bfloat16_of_torch_is_loaded_as_it_is(client, tmp_path):
    module = tnn.Linear(4, 3)
    save_file(module.bfloat16().state_dict(), tmp_path / "narrow.safetensors")
    with deploy(Gate(TorchModule(tnn.Linear, 4, 3), ADAM), client) as running:
        running.load(tmp_path / "narrow.safetensors")
        (params,) = running.parameters()["g0"]
        assert_array_equal(params["weight"], module.weight.detach().float().numpy())


def test_a_file_of_torch_that_does_not_fit_is_compared_by_the_names_of_torch(client, tmp_path):
    state = model().state_dict()
    state["fc.weight"] = state.pop("2.weight")
    save_file(state, tmp_path / "other.safetensors")
    words = r"' has 'fc.weight' and lacks '2.weight', unlike the network"
    with deploy(split_module(model(), ADAM, at=["1"]), client) as running, pytest.raises(CheckpointError, match=words):
        running.load(tmp_path / "other.safetensors")


def test_a_network_with_layers_of_ours_is_saved_by_paths(client, tmp_path):
    network = Gate(nn.Linear(4, 4) >> TorchModule(tnn.BatchNorm1d, 4), optim.SGD(0.1))
    with deploy(network, client) as running:
        running.save(tmp_path / "mixed.safetensors")
        assert {"g0.0.w", "g0.1.weight", "g0.1.statistics.running_mean"} < load_file(
            tmp_path / "mixed.safetensors"
        ).keys()
        before = running.parameters()
        running.load(tmp_path / "mixed.safetensors")
        assert equal(running.parameters(), before)


def named(name, *sizes):
    return tnn.Sequential(OrderedDict([(name, tnn.Linear(*sizes))]))


INNER = {
    "residual": nn.Residual(nn.Tanh() >> TorchModule(named("inner", 4, 4)), TorchModule(named("around", 4, 4))),
    "parallel": nn.Parallel(
        [TorchModule(named("inner", 4, 2)), TorchModule(named("around", 4, 2))], join="concatenate"
    ),
    "chain": nn.Chain([nn.Chain([TorchModule(named("inner", 4, 4)), nn.Tanh()]), TorchModule(named("around", 4, 4))]),
}


@for_each("layer", INNER.values())
def test_modules_inside_layers_of_ours_are_saved_and_exported_by_the_names_of_torch(client, tmp_path, layer):
    network = Gate(layer >> TorchModule(named("last", 4, 3)), optim.SGD(0.1))
    with deploy(network, client) as running:
        running.save(path := tmp_path / "inside.safetensors")
        saved, before = load_file(path), running.parameters()
        exported = state_dict(running.network, before)
        running.load(path)
        assert equal(running.parameters(), before)
    names = {f"{part}.{its}" for part in ("inner", "around", "last") for its in ("weight", "bias")}
    assert saved.keys() == exported.keys() == names
    assert all(torch.equal(saved[name], exported[name]) for name in names)


@for_each("layer", INNER.values())
def test_a_file_of_an_earlier_version_has_modules_inside_layers_of_ours_by_paths(client, tmp_path, layer):
    with deploy(Gate(layer, optim.SGD(0.1)), client) as running:
        before = running.parameters()
        arrays = {f"g0.{path}": torch.from_numpy(2 * leaf) for path, leaf in paths(before["g0"])}
        save_file(arrays, tmp_path / "earlier.safetensors")
        running.load(tmp_path / "earlier.safetensors")
        found = {f"g0.{path}": leaf for path, leaf in paths(running.parameters()["g0"])}
    for name, array in arrays.items():
        assert_array_equal(found[name], array)


def test_a_module_inside_a_residual_is_exported_or_refused_and_never_left_out():
    network = Gate(nn.Residual(TorchModule(tnn.Linear, 4, 4)) >> TorchModule(tnn.Linear, 4, 2), optim.SGD(0.1))
    with pytest.raises(SpecError, match="two modules of gate 'g0' have a tensor 'weight': name them apart"):
        state_dict(Network([network]), Network([network]).init(0))


def test_a_snapshot_brings_back_modules_and_optimizers(client, tmp_path):
    network = split_module(model(), ADAM, at=["1"])
    with deploy(network, client, snapshots=str(tmp_path)) as running:
        trained(running)
        written, parameters = running.snapshot(), running.parameters()
    with deploy(network, client, snapshots=str(tmp_path), resume=str(tmp_path)) as running:
        assert equal(running.parameters(), parameters)
        assert versions(running) == written
        trained(running, name="another")
        assert versions(running) == {name: number + 12 for name, number in written.items()}


def other_cuts(module):
    """The network of a module in two gates, cut elsewhere or called otherwise."""
    frozen = copy.deepcopy(module)
    frozen[0].requires_grad_(False)
    one, two = split_module(module, ADAM, at=["1"])
    return {
        "one gate": Gate(TorchModule(module), ADAM),
        "three gates": split_module(module, ADAM, at=["1", "2"]),
        "other names": replace(one, name="z") | replace(two, name="a"),
        "frozen layers": split_module(frozen, ADAM, at=["1"]),
    }


CUTS = "one gate", "three gates", "other names", "frozen layers"


@pytest.mark.parametrize("other", CUTS)
def test_a_file_loads_into_the_module_however_it_is_cut_and_damage_is_found(client, tmp_path, other):
    path, module = tmp_path / "kept.safetensors", model()
    with deploy(split_module(module, ADAM, at=["1"]), client, seed=1) as running:
        trained(running)
        running.save(path)
    state = load_file(path)
    with deploy(other_cuts(module)[other], client) as running:
        running.load(path)
        loaded = state_dict(running.network, running.parameters())
        assert all(torch.equal(its, state[name]) for name, its in loaded.items())
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"it was damaged or changed since, take another copy$"):
            running.load(path)


def test_a_file_of_an_earlier_version_loads_where_its_checksum_fits_and_says_what_else_may_be(client, tmp_path):
    path, module = tmp_path / "kept.safetensors", model()
    network = split_module(module, ADAM, at=["1"])
    with deploy(network, client) as running:
        running.save(path)
        by_path = {name: leaf for gate, tree in running.parameters().items() for name, leaf in paths(tree, gate)}
        save_file(load_file(path), path, {"akkordeon_dask sha256": digest(by_path)})
        running.load(path)
    words = r"damaged or changed since, .*an earlier version saved it, from other gates: load it into the network that"
    with deploy(Gate(TorchModule(module), ADAM), client) as running, pytest.raises(CheckpointError, match=words):
        running.load(path)


def test_a_tensor_of_another_shape_has_the_name_of_the_file_and_that_of_the_network(client, tmp_path):
    state = model().state_dict()
    state["2.weight"] = state["2.weight"][:, :5].clone()
    save_file(state, tmp_path / "other.safetensors")
    words = r"has '2.weight' \('layer1.0.2.weight' of the network\) of shape \(3, 5\), the network's is \(3, 16\)"
    with deploy(split_module(model(), ADAM, at=["1"]), client) as running, pytest.raises(CheckpointError, match=words):
        running.load(tmp_path / "other.safetensors")


@for_each(
    "buffer, words",
    [
        (torch.ones(4), "has 'rows' .* of dtype float32, the network's is int8: save it as int8"),
        (
            torch.ones(4, dtype=torch.bfloat16),
            "has 'rows' .* of dtype bfloat16, the network's is int8: save it as int8",
        ),
        (torch.arange(126, 130), "has 'rows' .* with 128, which the network's int8 lacks"),
    ],
)
def test_whole_numbers_of_a_buffer_are_loaded_as_they_are_or_refused(client, tmp_path, buffer, words):
    module = registered(tnn.Linear(4, 3), torch.arange(4, dtype=torch.int8))
    path = tmp_path / "rows.safetensors"
    with deploy(Gate(TorchModule(module), optim.SGD(0.1)), client) as running:
        save_file(module.state_dict() | {"rows": torch.tensor([-128, 0, 1, 127])}, path)
        running.load(path)
        before = running.parameters()
        assert before["g0"][0]["statistics"]["rows"].tolist() == [-128, 0, 1, 127]
        save_file(module.state_dict() | {"rows": buffer}, path)
        with pytest.raises(CheckpointError, match=words):
            running.load(path)
        assert equal(running.parameters(), before)


def causal():
    """A module with a mask of attention."""
    module = tnn.Linear(3, 3)
    module.register_buffer("mask", torch.triu(torch.full((3, 3), float("-inf")), 1))
    return module


ROWS = data.arrays(np.random.default_rng(0).normal(size=(48, 3)).astype(np.float32), np.arange(48) % 3)


def test_a_buffer_with_infinite_numbers_is_in_snapshots_and_files(client, tmp_path):
    network = Gate(TorchModule(causal), ADAM)
    with deploy(network, client, snapshots=str(tmp_path / "kept")) as running:
        trained(running, ROWS)
        written, parameters = running.snapshot(), running.parameters()
        running.save(tmp_path / "file.safetensors")
        running.load(tmp_path / "file.safetensors")
        assert equal(running.parameters(), parameters)
        assert np.isneginf(parameters["g0"][0]["statistics"]["mask"]).sum() == 3
    assert written == {"g0": 12}
    with deploy(network, client, resume=str(tmp_path / "kept")) as running:
        assert equal(running.parameters(), parameters)


@pytest.mark.parametrize(
    ("name", "value"), [("mask", float("nan")), ("weight", float("inf")), ("weight", float("nan"))]
)
def test_other_numbers_that_are_not_finite_are_refused(client, tmp_path, name, value):
    state = causal().state_dict()
    state[name][0, 0] = value
    save_file(state, tmp_path / "odd.safetensors")
    with deploy(Gate(TorchModule(causal), ADAM), client) as running:
        before = running.parameters()
        with pytest.raises(CheckpointError, match=rf"'{name}' .*with 1 of 9 values that are not finite"):
            running.load(tmp_path / "odd.safetensors")
        assert equal(running.parameters(), before)


def test_a_part_of_a_module_that_is_called_statistics_is_saved_by_its_name(client, tmp_path):
    module = tnn.Sequential(OrderedDict(statistics=tnn.BatchNorm1d(3), head=tnn.Linear(3, 3)))
    with deploy(Gate(TorchModule(module), ADAM), client) as running:
        running.save(tmp_path / "kept.safetensors")
        running.load(tmp_path / "kept.safetensors")
    module.load_state_dict(load_file(tmp_path / "kept.safetensors"))


def test_a_prediction_is_the_modules(client):
    module = model().eval()
    x = np.random.default_rng(1).normal(size=(9, 2, 4, 4)).astype(np.float32)
    with deploy(split_module(module, ADAM, at=["1"]), client) as running, torch.no_grad():
        assert_array_equal(running.predict(x), module(torch.from_numpy(x)).numpy())
