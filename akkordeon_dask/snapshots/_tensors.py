"""Arrays as the bytes of a safetensors file, one piece at a time.

safetensors' own writer wants the whole file in memory a second time, and holds the interpreter while it copies:
other threads of the process stand still. What is written here is checked by its reader.
"""

import json
from collections.abc import Iterator, Mapping

import numpy as np
from safetensors.numpy import load

from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.tree import Array

__all__ = ["decode", "encode"]

_CODES = {
    np.dtype(kind): code
    for kind, code in {
        "?": "BOOL", "<f2": "F16", "<f4": "F32", "<f8": "F64", "<c8": "C64",
        "<i1": "I8", "<i2": "I16", "<i4": "I32", "<i8": "I64",
        "<u1": "U8", "<u2": "U16", "<u4": "U32", "<u8": "U64",
    }.items()
}  # fmt: skip


def encode(arrays: Mapping[str, Array], note: str) -> Iterator[bytes | memoryview]:
    """The file's bytes, in pieces; the arrays are read as the pieces are taken.

    Raises
    ------
    CheckpointError
        when an array is of a dtype that the format lacks. Nothing was given yet.
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
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for name in order:
        yield arrays[name].ravel().view(np.uint8).data


def decode(content: bytes) -> dict[str, Array]:
    """The arrays of a file, in memory of their own.

    Raises
    ------
    safetensors.SafetensorError
        when it is not one.
    """
    return dict(load(content))
