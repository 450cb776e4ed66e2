"""Arrays as the bytes of a safetensors file, one piece at a time, and back.

safetensors' own writer wants the whole file in memory a second time, and holds the interpreter while it copies: other
threads of the process stand still. Its reader has no bfloat16 in numpy, and does not say which tensor is wrong.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.memory import copied, empty
from akkordeon_dask.tree import Array

__all__ = ["decode", "digest", "encode", "metadata"]

_CODES = {
    np.dtype(kind): code
    for kind, code in {
        "?": "BOOL", "<f2": "F16", "<f4": "F32", "<f8": "F64", "<c8": "C64",
        "<i1": "I8", "<i2": "I16", "<i4": "I32", "<i8": "I64",
        "<u1": "U8", "<u2": "U16", "<u4": "U32", "<u8": "U64",
    }.items()
}  # fmt: skip
_DTYPES = {code: dtype for dtype, code in _CODES.items()} | {"BF16": np.dtype("<u2")}
_LENGTH = 8
"""Bytes at the start for the length of the header."""
_CUT = "no whole safetensors file, it was cut off or is something else"


def encode(arrays: Mapping[str, Array], note: str) -> Iterator[bytes | memoryview]:
    """The file's bytes, in pieces; the arrays are read as the pieces are taken.

    Raises
    ------
    CheckpointError
        when an array is of a dtype that the format lacks; before the first piece.
    """
    if odd := [f"{name!r} is of {array.dtype}" for name, array in arrays.items() if array.dtype not in _CODES]:
        raise CheckpointError(f"{', '.join(odd)}: safetensors has no such dtype: convert it to float or integer")
    return _pieces(arrays, note)


def _pieces(arrays: Mapping[str, Array], note: str) -> Iterator[bytes | memoryview]:
    # The largest items first: then each array starts on a multiple of its item's size.
    order = sorted(arrays, key=lambda name: -arrays[name].itemsize)
    header: dict[str, object] = {"__metadata__": {"format": note}}
    start = 0
    for name in order:
        array = arrays[name]
        end = start + array.nbytes
        header[name] = {"dtype": _CODES[array.dtype], "shape": array.shape, "data_offsets": (start, end)}
        start = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % _LENGTH)
    yield len(text).to_bytes(_LENGTH, "little") + text
    for name in order:
        yield arrays[name].ravel().view(np.uint8).data


def decode(content: bytes) -> dict[str, Array]:
    """The arrays of a file, in memory of their own; bfloat16 as float32, which represents it exactly.

    Raises
    ------
    CheckpointError
        when it is no safetensors file, or has a tensor of a dtype that numpy lacks: names the tensor.
    """
    header, start = _header(content)
    arrays: dict[str, Array] = {}
    end = start
    for name, entry in sorted(header.items(), key=lambda item: _offsets(*item)):
        array = _tensor(name, entry, content, start)
        if _offsets(name, entry)[0] != end - start:
            raise CheckpointError(f"{_CUT}: tensor {name!r:.80} does not begin where the one before it ends")
        end += array.nbytes
        arrays[name] = _widened(array) if entry["dtype"] == "BF16" else copied(array)
    if end != len(content):
        raise CheckpointError(f"{_CUT}: it has {len(content):,} bytes, its tensors end after {end:,}")
    return arrays


def digest(arrays: Mapping[str, Array]) -> str:
    """The SHA-256 of arrays: of their names, dtypes, shapes and bytes, whatever order a file has them in.

    Parameters
    ----------
    arrays
        in C order and the machine's byte order.
    """
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        total.update(json.dumps([name, _CODES.get(array.dtype), array.shape]).encode())
        total.update(array.ravel().view(np.uint8).data)
    return total.hexdigest()


def metadata(content: bytes) -> dict[str, str]:
    """The metadata of a file that `decode` has accepted, by key; empty where it has none."""
    length = int.from_bytes(content[:_LENGTH], "little")
    found = json.loads(content[_LENGTH : _LENGTH + length]).get("__metadata__")
    return found if isinstance(found, dict) else {}


def _header(content: bytes) -> tuple[dict[str, Any], int]:
    """The entry of each tensor, by name, and the offset of their bytes."""
    start = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    if not _LENGTH < start <= len(content):
        raise CheckpointError(f"{_CUT}: it has {len(content):,} bytes, its header would end after {start:,}")
    try:
        header = json.loads(content[_LENGTH:start], object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:  # a UnicodeDecodeError is one
        raise CheckpointError(f"{_CUT}: its header is not one ({error!s:.200})") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"{_CUT}: its header is {header!r:.80}, no tensors by name")
    header.pop("__metadata__", None)
    return header, start


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r:.80} is there twice")
    return entries


def _offsets(name: str, entry: Any) -> tuple[int, int]:
    """The offsets of a tensor's begin and end, behind the header."""
    found = entry.get("data_offsets") if isinstance(entry, dict) else None
    if not isinstance(found, list) or [type(offset) for offset in found] != [int, int]:
        raise CheckpointError(f"{_CUT}: tensor {name!r:.80} is described as {entry!r:.80}")
    return found[0], found[1]


def _tensor(name: str, entry: dict[str, Any], content: bytes, start: int) -> Array:
    """A view of one tensor; of bfloat16, of its bits."""
    code, shape, (begin, end) = entry.get("dtype"), entry.get("shape"), _offsets(name, entry)
    dtype = _DTYPES.get(code) if isinstance(code, str) else None
    if dtype is None:
        raise CheckpointError(f"tensor {name!r:.80} is of dtype {code!r:.20}, which numpy lacks: save it as float32")
    if not isinstance(shape, list) or not all(type(extent) is int and extent >= 0 for extent in shape):
        raise CheckpointError(f"{_CUT}: tensor {name!r:.80} has the shape {shape!r:.80}")
    size, there = math.prod(shape), len(content) - start
    if not 0 <= begin <= end <= there or end - begin != size * dtype.itemsize:
        said = f"tensor {name!r:.80} of {code} and shape {shape!r:.80} is said to be bytes {begin} to {end}"
        raise CheckpointError(f"{_CUT}: {said}, of {there:,}")
    try:
        return np.frombuffer(content, dtype, size, start + begin).reshape(shape) if size else np.empty(shape, dtype)
    except (ValueError, OverflowError) as error:  # more axes, or a longer one beside one of 0, than an array has
        raise CheckpointError(f"{_CUT}: tensor {name!r:.80} has the shape {shape!r:.80} ({error})") from error


def _widened(bits: Array) -> Array:
    """Of float32, from the upper halves of its numbers."""
    wide = empty(bits.shape, np.uint32)
    np.left_shift(bits, np.uint32(16), out=wide, dtype=np.uint32)
    return wide.view(np.float32)
