"""The bytes of a safetensors file: exactly its tensors, or a CheckpointError."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, deserialize
from safetensors.numpy import load, save

from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.snapshots import decode
from tests.support.for_each import for_each


def file(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


ONE = entry("F32", [1], 0, 4)


def test_every_bfloat16_becomes_the_float32_with_the_same_upper_bits():
    bits = np.arange(1 << 16, dtype="<u2")
    found = decode(file({"w": entry("BF16", [256, 256], 0, 1 << 17)}, bits.tobytes()))["w"]
    assert found.dtype == np.float32 and found.shape == (256, 256)
    assert np.array_equal(found.view(np.uint32).ravel(), bits.astype(np.uint32) << 16)
    assert found.ravel()[[0x3F80, 0xC000, 0x3DCD, 0x0001]].tolist() == [1.0, -2.0, 0.10009765625, 2.0**-133]
    assert found.ravel()[0x7F80] == np.inf and np.isnan(found.ravel()[0x7FC0])


def test_files_of_safetensors_are_decoded_into_aligned_memory():
    arrays = {
        "odd": np.arange(3, dtype=np.int8),
        "number": np.array(3.5),
        "none": np.empty((0, 7), np.float32),
        "big": np.random.default_rng(0).random((300, 401)),
        "flags": np.array([True, False]),
        "complex": np.array([1 + 2j], np.complex64),
    }
    found = decode(save(arrays, {"format": "x"}))
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype and np.array_equal(found[name], array)
        assert found[name].shape == array.shape and found[name].flags.aligned and found[name].flags.writeable


def test_a_dtype_that_numpy_lacks_is_named_with_its_tensor():
    for dtype in ("F8_E4M3", "F8_E5M2", "F4", "C128", "anything", None, ["F32"]):
        with pytest.raises(CheckpointError, match=r"tensor 'g0\.w' is of dtype") as caught:
            decode(file({"g0.w": entry(dtype, [4], 0, 4)}, bytes(4)))
        assert repr(dtype) in str(caught.value) and "float32" in str(caught.value)


BROKEN = {
    "nothing": b"",
    "a length only": (8).to_bytes(8, "little"),
    "a header beyond the end": (1 << 62).to_bytes(8, "little") + b"{}",
    "a header of length 0": bytes(8),
    "no text": file(b"\xff\xfe\x00"),
    "no JSON": file(b"{'a': 1}"),
    "too deep": file(b"[" * 100_000),
    "a number too long": file(b'{"a": ' + b"9" * 10_000 + b"}"),
    "a list": file([]),
    "a tensor that is a number": file({"a": 3}),
    "a name twice": file(b'{"a": %s, "a": %s}' % ((json.dumps(ONE).encode(),) * 2), bytes(4)),
    "a key twice": file(b'{"a": {"dtype": "F32", "shape": [1], "shape": [1], "data_offsets": [0, 4]}}', bytes(4)),
    "no offsets": file({"a": {"dtype": "F32", "shape": [1]}}, bytes(4)),
    "one offset": file({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}}, bytes(4)),
    "offsets of truth": file({"a": {"dtype": "U8", "shape": [1], "data_offsets": [False, True]}}, bytes(1)),
    "backwards": file({"a": entry("F32", [1], 4, 0)}, bytes(4)),
    "before the start": file({"a": entry("F32", [1], -4, 0)}, bytes(4)),
    "beyond the end": file({"a": entry("F32", [2], 0, 8)}, bytes(4)),
    "more behind": file({"a": ONE}, bytes(5)),
    "a hole": file({"a": ONE, "b": entry("F32", [1], 8, 12)}, bytes(12)),
    "one over the other": file({"a": ONE, "b": entry("F32", [1], 2, 6)}, bytes(6)),
    "another size": file({"a": entry("F32", [3], 0, 4)}, bytes(4)),
    "a huge shape": file({"a": entry("F32", [1 << 40, 1 << 40], 0, 4)}, bytes(4)),
    "a huge shape of nothing": file({"a": entry("F32", [0, 10**30], 0, 0)}),
    "a shape below 0": file({"a": entry("F32", [-1], 0, 4)}, bytes(4)),
    "a broken shape": file({"a": entry("F32", [1.0], 0, 4)}, bytes(4)),
    "too many axes": file({"a": entry("F32", [1] * 99, 0, 4)}, bytes(4)),
    "no shape": file({"a": entry("F32", None, 0, 4)}, bytes(4)),
}


@for_each("content", BROKEN.values())
def test_a_broken_file_is_a_checkpoint_error_in_one_line(content):
    with pytest.raises(CheckpointError, match="cut off or is something else") as caught:
        decode(content)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


WHOLE = save({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2, np.int16), "c": np.array(1.0)})


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_changed_file_is_an_error_or_reads_as_by_safetensors(data):
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    try:
        found = decode(content)
    except CheckpointError:
        return
    try:
        deserialize(content)
    except SafetensorError as error:
        raise AssertionError(f"safetensors refuses it: {error}") from error
    other = load(content)
    assert found.keys() == other.keys()
    assert all(np.array_equal(found[name], other[name], equal_nan=True) for name in found)
