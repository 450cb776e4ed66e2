"""save and load: bit for bit, or an error that changes nothing."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from akkordeon_dask import Gate, nn, optim
from akkordeon_dask.errors import CheckpointError
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, SGD, equal, numbers, train

OTHERS = {
    "another size": Gate(nn.Linear(6, 4) >> nn.ReLU(), SGD) | Gate(nn.Linear(4, 3), SGD),
    "a gate more": NETWORK | Gate(nn.Linear(3, 3), SGD),
    "a gate less": NETWORK[:1],
    "other names": Gate(nn.Linear(6, 5) >> nn.ReLU(), SGD, name="front") | NETWORK[1:],
    "no bias": Gate(nn.Linear(6, 5, bias=False) >> nn.ReLU(), SGD) | NETWORK[1:],
}


@pytest.fixture
def kept(user, tmp_path):
    """A file of trained parameters, and the parameters."""
    with user.deploy(NETWORK, seed=1) as running:
        running.attach(train(epochs=2))
        running.wait(timeout=PATIENCE)
        running.save(tmp_path / "deep" / "er" / "kept.safetensors")
        return tmp_path / "deep" / "er" / "kept.safetensors", running.parameters()


def test_saved_parameters_load_bit_for_bit(user, kept):
    path, parameters = kept
    with user.deploy(NETWORK, seed=2) as running:
        assert not equal(running.parameters(), parameters)
        running.load(path)
        assert equal(running.parameters(), parameters)
        running.attach(train(epochs=1))
        running.wait(timeout=PATIENCE)
        assert not equal(running.parameters(), parameters)
        running.load(str(path))
        assert equal(running.parameters(), parameters)


def test_a_file_is_safetensors_with_the_leaves_by_their_paths(kept):
    path, parameters = kept
    arrays = load_file(path)
    assert set(arrays) == {"g0.0.w", "g0.0.b", "g1.0.w", "g1.0.b"}
    assert np.array_equal(arrays["g0.0.w"], parameters["g0"][0]["w"])
    assert [other.name for other in path.parent.iterdir()] == [path.name]


def test_a_file_whose_numbers_changed_since_is_refused_whatever_bit_it_is(user, kept):
    path, _ = kept
    content = path.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    with user.deploy(NETWORK, seed=2) as running:
        before = running.parameters()
        for bit in range(8 * begin, 8 * len(content), 331):
            damaged = bytearray(content)
            damaged[bit // 8] ^= 1 << bit % 8
            path.write_bytes(damaged)
            with pytest.raises(CheckpointError, match=r"its numbers are not those that were saved.*take another copy"):
                running.load(path)
        assert equal(running.parameters(), before)


def test_a_file_that_another_program_wrote_has_no_checksum_and_loads(user, kept):
    path, parameters = kept
    save_file(load_file(path), path)
    with user.deploy(NETWORK, seed=2) as running:
        running.load(path)
        assert equal(running.parameters(), parameters)


def test_float32_becomes_what_the_gate_computes_with(user, kept):
    path, parameters = kept
    with user.deploy(Gate(nn.Linear(6, 5), SGD, dtype="float64") | NETWORK[1:]) as running:
        running.load(path)
        loaded = running.parameters()["g0"][0]["w"]
    assert loaded.dtype == np.float64 and np.array_equal(loaded, parameters["g0"][0]["w"])


def test_a_url_is_a_place_too(running, kept):
    path, parameters = kept
    running.load(f"file://{path}")
    running.save("memory://kept.safetensors")
    running.load("memory://kept.safetensors")
    assert equal(running.parameters(), parameters)


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_parameters_of_another_network_are_refused(user, kept, other):
    path, _ = kept
    with user.deploy(other) as running:
        before = running.parameters()
        with pytest.raises(CheckpointError, match="load it into the network that saved it") as caught:
            running.load(path)
        assert repr(str(path)) in str(caught.value)
        assert equal(running.parameters(), before)
        assert {its.version for its in running.statistics().values()} == {0}


def damaged(path, how):
    if how == "missing":
        return path.with_name("nothing-there")
    if how == "a folder":
        return path.parent
    content = path.read_bytes()
    left = {"cut": content[:-9], "head only": content[:40], "empty": b"", "text": b"these are not tensors"}
    path.write_bytes(left[how])
    return path


@pytest.mark.parametrize("how", ["missing", "a folder", "cut", "head only", "empty", "text"])
def test_a_file_that_is_no_checkpoint_is_named_and_changes_nothing(running, kept, how):
    path = damaged(kept[0], how)
    before = running.parameters()
    with pytest.raises(CheckpointError) as caught:
        running.load(path)
    assert repr(str(path)) in str(caught.value)
    assert equal(running.parameters(), before)
    assert running.predict(numbers()[0]).shape == (64, 3)


def test_shapes_that_differ_are_both_named(user, tmp_path):
    arrays = {"g0.0.w": np.zeros((6, 5), "f4"), "g0.0.b": np.zeros(5, "f4"), "g1.0.w": np.zeros((5, 4), "f4")}
    save_file(arrays | {"g1.0.b": np.zeros(4, "f4")}, tmp_path / "x")
    differ = r"shape \(5, 4\).*network's is \(5, 3\)"
    with user.deploy(NETWORK) as running, pytest.raises(CheckpointError, match=differ):
        running.load(tmp_path / "x")


@pytest.mark.parametrize("place", ["{file}/below/x", "{folder}", "nowhere://x", "{folder}/\0"])
def test_a_place_that_cannot_be_written_is_named_and_what_was_there_stays(user, kept, tmp_path, place):
    path, _ = kept
    target = place.format(file=path, folder=tmp_path)
    before = path.read_bytes(), sorted(tmp_path.rglob("*"))
    with user.deploy(NETWORK) as running, pytest.raises(CheckpointError, match="cannot write") as caught:
        running.save(target)
    assert repr(target) in str(caught.value)
    assert (path.read_bytes(), sorted(tmp_path.rglob("*"))) == before


def test_loading_resets_the_optimizers(user, tmp_path):
    network = Gate(nn.Linear(6, 3), optim.SGD(0.05, momentum=0.9))
    ends = []
    with user.deploy(network) as running:
        running.save(tmp_path / "start")
        for epochs in (1, 2):
            sentinel = running.attach(train(concurrency=1, epochs=1))
            running.wait(timeout=PATIENCE)
            running.detach(sentinel)
            ends.append(running.parameters())
            if epochs == 1:
                running.load(tmp_path / "start")
    assert equal(*ends)


def tensors(running, **changes):
    """The network's parameters by their paths, with some of another kind."""
    arrays = {
        f"{gate}.0.{leaf}": array for gate, tree in running.parameters().items() for leaf, array in tree[0].items()
    }
    return arrays | {name.replace("_", "."): change(arrays[name.replace("_", ".")]) for name, change in changes.items()}


def test_bfloat16_that_another_program_wrote_is_loaded_exactly(user, tmp_path):
    with user.deploy(NETWORK, seed=1) as running:
        arrays = tensors(running)
        bits = {name: (array.view(np.uint32) >> 16).astype("<u2") for name, array in arrays.items()}
        header, end = {"__metadata__": {"format": "pt"}}, 0
        for name, array in bits.items():
            offsets = [end, end := end + array.nbytes]
            header[name] = {"dtype": "BF16", "shape": list(array.shape), "data_offsets": offsets}
        text = json.dumps(header).encode()
        content = len(text).to_bytes(8, "little") + text + b"".join(array.tobytes() for array in bits.values())
        (tmp_path / "bf16").write_bytes(content)
        running.load(tmp_path / "bf16")
        found = tensors(running)
    assert all(
        np.array_equal(found[name].view(np.uint32), bits[name].astype(np.uint32) << 16) and found[name].dtype == "f4"
        for name in arrays
    )


@pytest.mark.parametrize("kind", ["int8", "int64", "bool", "complex64", "uint16"])
def test_a_tensor_that_is_no_float_is_refused_with_its_name_dtype_and_file(running, tmp_path, kind):
    save_file(tensors(running, g1_0_b=lambda array: array.astype(kind)), tmp_path / "odd")
    before = running.parameters()
    with pytest.raises(CheckpointError, match=rf"odd' has 'g1.0.b' of dtype {kind}, the network's is float32"):
        running.load(tmp_path / "odd")
    assert equal(running.parameters(), before)


@pytest.mark.parametrize("value", [1e300, -1e39, np.nan, np.inf])
def test_numbers_that_are_not_finite_in_the_network_are_refused_with_tensor_and_value(user, tmp_path, value):
    def one_wrong(array):
        wide = array.astype(np.float64)
        wide.flat[3] = value
        return wide

    with user.deploy(NETWORK) as running:
        save_file(tensors(running, g0_0_w=one_wrong), tmp_path / "odd")
        before = running.parameters()
        with pytest.raises(CheckpointError, match=r"'g0.0.w' with 1 of 30 values that are not finite as float32, e.g."):
            running.load(tmp_path / "odd")
        assert equal(running.parameters(), before)


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_other_floats_become_what_the_gate_computes_with(user, tmp_path, kind):
    with user.deploy(NETWORK, seed=3) as running:
        arrays = tensors(running, g0_0_w=lambda array: array.astype(kind))
        save_file(arrays, tmp_path / "other")
        running.load(tmp_path / "other")
        assert np.array_equal(running.parameters()["g0"][0]["w"], arrays["g0.0.w"].astype(np.float32))


def test_an_error_lists_unknown_names_shortened_beside_those_that_are_missing(user, tmp_path):
    save_file({f"model.layers.{number}.weight": np.zeros(3, "f4") for number in range(3000)}, tmp_path / "theirs")
    told = r"has 'model.layers.0.weight', .* and 2,995 more and lacks 'g0.0.b', 'g0.0.w', 'g1.0.b', 'g1.0.w', unlike"
    with user.deploy(NETWORK) as running, pytest.raises(CheckpointError, match=told) as caught:
        running.load(tmp_path / "theirs")
    assert len(str(caught.value)) < 900
