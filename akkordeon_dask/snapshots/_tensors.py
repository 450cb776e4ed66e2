"""Arrays as the bytes of a safetensors file, one piece at a time, and back.

safetensors' own writer wants the whole file in memory a second time, and holds the interpreter while it copies: other
threads of the process stand still. Its reader has no bfloat16 in numpy, and does not say which tensor is wrong.
"""

import hashlib
import io
import itertools
import json
import math
import os
from collections.abc import Iterator, Mapping
from typing import IO, Any, NamedTuple

import numpy as np

from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.memory import copied, empty
from akkordeon_dask.tree import Array

__all__ = ["BFLOAT16", "Tensor", "decode", "digest", "digest_title", "encode", "header", "layout", "widened"]

BFLOAT16 = "BF16"
"""The code of a dtype that numpy lacks."""

_CODES = {
    np.dtype(kind): code
    for kind, code in {
        "?": "BOOL", "<f2": "F16", "<f4": "F32", "<f8": "F64", "<c8": "C64",
        "<i1": "I8", "<i2": "I16", "<i4": "I32", "<i8": "I64",
        "<u1": "U8", "<u2": "U16", "<u4": "U32", "<u8": "U64",
    }.items()
}  # fmt: skip
_DTYPES = {code: dtype for dtype, code in _CODES.items()} | {BFLOAT16: np.dtype("<u2")}
_LENGTH = 8
"""Bytes at the start for the length of the header."""
_METADATA = "__metadata__"
_CUT = "no whole safetensors file, it was cut off or is something else"


class Tensor(NamedTuple):
    """A tensor in a file."""

    code: str
    """Its dtype, as the format names it."""
    shape: tuple[int, ...]
    begin: int
    """The offset of its first byte in the file."""
    end: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its bytes; of bfloat16, which numpy lacks, that of its bits."""
        return _DTYPES[self.code]


def encode(arrays: Mapping[str, Array], note: str) -> Iterator[bytes | memoryview]:
    """The file's bytes, in pieces; the arrays are read as the pieces are taken.

    Raises
    ------
    CheckpointError
        when an array is of a dtype that the format lacks; before the first piece.
    """
    # The largest items first: then each array starts on a multiple of its item's size.
    order = sorted(arrays, key=lambda name: -arrays[name].itemsize)
    text, _ = header({name: (arrays[name].dtype, arrays[name].shape) for name in order}, {"format": note})
    return itertools.chain([text], (arrays[name].ravel().view(np.uint8).data for name in order))


def header(
    forms: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]], about: Mapping[str, str]
) -> tuple[bytes, dict[str, Tensor]]:
    """The first bytes of a file of tensors in this order, and where each of them stands in it.

    Parameters
    ----------
    about
        the file's metadata.

    Raises
    ------
    CheckpointError
        when one is of a dtype that the format lacks.
    """
    if odd := [f"{name!r} is of {dtype}" for name, (dtype, _) in forms.items() if dtype not in _CODES]:
        raise CheckpointError(f"{', '.join(odd)}: safetensors has no such dtype: convert it to float or integer")
    entries: dict[str, object] = {_METADATA: dict(about)}
    ends = [0]
    for name, (dtype, shape) in forms.items():
        ends.append(ends[-1] + dtype.itemsize * math.prod(shape))
        entries[name] = {"dtype": _CODES[dtype], "shape": shape, "data_offsets": ends[-2:]}
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _LENGTH)
    start = _LENGTH + len(text)
    tensors = {
        name: Tensor(_CODES[dtype], shape, start + begin, start + end)
        for (name, (dtype, shape)), (begin, end) in zip(forms.items(), itertools.pairwise(ends), strict=True)
    }
    return len(text).to_bytes(_LENGTH, "little") + text, tensors


def decode(content: bytes) -> dict[str, Array]:
    """The arrays of a file, in memory of their own; bfloat16 as float32, which represents it exactly.

    Raises
    ------
    CheckpointError
        when it is no safetensors file, or has a tensor of a dtype that numpy lacks: names the tensor.
    """
    arrays: dict[str, Array] = {}
    for name, tensor in layout(io.BytesIO(content))[0].items():
        size = math.prod(tensor.shape)
        flat = np.frombuffer(content, tensor.dtype, size, tensor.begin) if size else np.empty(0, tensor.dtype)
        array = flat.reshape(tensor.shape)
        arrays[name] = widened(array) if tensor.code == BFLOAT16 else copied(array)
    return arrays


def layout(file: IO[bytes]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file in the order of their bytes, by name, and its metadata.

    Parameters
    ----------
    file
        its beginning is read, and its length looked at.

    Raises
    ------
    CheckpointError
        as `decode` raises it.
    """
    there = file.seek(0, os.SEEK_END)
    entries, about, start = _header(file, there)
    tensors: dict[str, Tensor] = {}
    end = start
    for name, entry in sorted(entries.items(), key=lambda item: _offsets(*item)):
        tensor = _tensor(name, entry, there - start)
        if tensor.begin != end - start:
            raise CheckpointError(f"{_CUT}: tensor {name!r:.80} does not begin where the one before it ends")
        tensors[name] = tensor._replace(begin=end, end=start + tensor.end)
        end = start + tensor.end
    if end != there:
        raise CheckpointError(f"{_CUT}: it has {there:,} bytes, its tensors end after {end:,}")
    return tensors, about


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
        total.update(digest_title(name, array.dtype, array.shape))
        total.update(array.ravel().view(np.uint8).data)
    return total.hexdigest()


def digest_title(name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """The bytes before those of an array in the digest."""
    return json.dumps([name, _CODES.get(dtype), shape]).encode()


def _header(file: IO[bytes], there: int) -> tuple[dict[str, Any], dict[str, str], int]:
    """The entry of each tensor, by name, the metadata, and the offset of the tensors' bytes."""
    file.seek(0)
    start = _LENGTH + int.from_bytes(file.read(_LENGTH), "little")
    if not _LENGTH < start <= there:
        raise CheckpointError(f"{_CUT}: it has {there:,} bytes, its header would end after {start:,}")
    try:
        entries = json.loads(file.read(start - _LENGTH), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:  # a UnicodeDecodeError is one
        raise CheckpointError(f"{_CUT}: its header is not one ({error!s:.200})") from error
    if not isinstance(entries, dict):
        raise CheckpointError(f"{_CUT}: its header is {entries!r:.80}, no tensors by name")
    about = entries.pop(_METADATA, None)
    return entries, about if isinstance(about, dict) else {}, start


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


def _tensor(name: str, entry: dict[str, Any], there: int) -> Tensor:
    """One tensor, with offsets behind the header, where `there` bytes are."""
    code, shape, (begin, end) = entry.get("dtype"), entry.get("shape"), _offsets(name, entry)
    dtype = _DTYPES.get(code) if isinstance(code, str) else None
    if code is None or dtype is None:
        raise CheckpointError(f"tensor {name!r:.80} is of dtype {code!r:.20}, which numpy lacks: save it as float32")
    if not isinstance(shape, list) or not all(type(extent) is int and extent >= 0 for extent in shape):
        raise CheckpointError(f"{_CUT}: tensor {name!r:.80} has the shape {shape!r:.80}")
    size = math.prod(shape)
    if not 0 <= begin <= end <= there or end - begin != size * dtype.itemsize:
        said = f"tensor {name!r:.80} of {code} and shape {shape!r:.80} is said to be bytes {begin} to {end}"
        raise CheckpointError(f"{_CUT}: {said}, of {there:,}")
    try:
        np.broadcast_to(np.empty((), dtype), shape)
    except (ValueError, OverflowError) as error:  # more axes, or a longer one beside one of 0, than an array has
        raise CheckpointError(f"{_CUT}: tensor {name!r:.80} has the shape {shape!r:.80} ({error})") from error
    return Tensor(code, tuple(shape), begin, end)


def widened(bits: Array) -> Array:
    """bfloat16 as float32, from the upper halves of its numbers."""
    wide = empty(bits.shape, np.uint32)
    np.left_shift(bits, np.uint32(16), out=wide, dtype=np.uint32)
    return wide.view(np.float32)
