"""IDX files: the format of the MNIST archives, plain or gzipped.

Two zero bytes, a byte for the dtype, a byte for the number of dimensions, their sizes as big-endian uint32, then
the numbers in C order, big-endian (Y. LeCun, C. Cortes, C. Burges, 'The MNIST database of handwritten digits', 1998).
"""

import gzip
import io
import math
import zlib
from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np

from akkordeon_dask import memory
from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = ["Readable", "Remedy", "idx_bytes", "read_idx", "read_pair"]


class Readable(Protocol):
    """A path, or a file inside a package."""

    def read_bytes(self) -> bytes:
        """The whole content."""
        ...

    def __hash__(self) -> int: ...


Remedy: TypeAlias = Callable[[Readable], str]
"""The advice about a bad file: the end of each error."""


_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CODES = {np.dtype(name): code for code, name in _DTYPES.items()}
_GZIP = b"\x1f\x8b"
_MAX_NDIM = 32
_LARGEST = 1 << 32
"""Bytes that a file may unpack to where its size is not known before."""


def read_pair(
    images: Readable, labels: Readable, samples: int, shape: tuple[int, ...], remedy: Remedy
) -> tuple[Array, Array]:
    """Flat images (samples, features) uint8 and labels (samples,) int64, both read-only.

    Parameters
    ----------
    images, labels
        IDX files.
    samples, shape
        how many samples they must have, and an image's shape.
    remedy
        says what to do about a bad file.

    Raises
    ------
    DataError
        a file cannot be read, is damaged, or holds something else: says which, and the remedy.
    """
    # A file of another size is described where it is of about that size: more is not unpacked.
    x = read_idx(images, remedy, most=4096 + 2 * samples * math.prod(shape))
    y = read_idx(labels, remedy, most=4096 + 2 * samples)
    if len(x) != len(y):
        raise DataError(
            f"{images} has {len(x)} images, {labels} has {len(y)} labels: they do not belong together; {remedy(labels)}"
        )
    for path, found, expected in ((images, x, (samples, *shape)), (labels, y, (samples,))):
        if found.dtype != np.uint8 or found.shape != expected:
            raise DataError(
                f"{path}: expected an array {expected} of uint8, found {found.shape} of {found.dtype}; {remedy(path)}"
            )
    x = x.reshape(samples, -1)
    y = y.astype(np.int64)
    y.flags.writeable = False
    return x, y


def read_idx(path: Readable, remedy: Remedy, most: int = _LARGEST) -> Array:
    """The array of an IDX file, in the machine's byte order, read-only.

    Parameters
    ----------
    path
        the file; its first bytes, not its name, show whether it is gzipped.
    remedy
        says what to do about a bad file.
    most
        bytes that a gzipped file may unpack to.

    Raises
    ------
    DataError
        the file cannot be read, or is not a whole IDX file: says what was expected and what was found.
    """
    content = _content(path, remedy, most)
    if len(content) < 4 or content[:2] != b"\0\0":
        raise DataError(
            f"{path}: expected an IDX file, which begins with 00 00, a dtype and a number of dimensions, "
            f"found {len(content)} bytes beginning with {content[:4].hex(' ') or 'nothing'}; {remedy(path)}"
        )
    code, ndim = content[2], content[3]
    if code not in _DTYPES or not 1 <= ndim <= _MAX_NDIM:
        known = ", ".join(f"{key:#04x}" for key in _DTYPES)
        raise DataError(
            f"{path}: expected a dtype of {known} and 1 to {_MAX_NDIM} dimensions, "
            f"found dtype {code:#04x} and {ndim} dimensions; {remedy(path)}"
        )
    start = 4 + 4 * ndim
    if len(content) < start:
        raise DataError(f"{path}: expected a header of {start} bytes, found a file of {len(content)}; {remedy(path)}")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", ndim, 4))
    dtype = np.dtype(_DTYPES[code])
    _check_size(path, len(content) - start, shape, dtype, remedy)
    array = memory.empty(shape, dtype.newbyteorder("="))
    array[...] = np.frombuffer(content, dtype, offset=start).reshape(shape)
    array.flags.writeable = False
    return array


def idx_bytes(array: Array) -> bytes:
    """`array` as the bytes of a plain IDX file (KeyError for a dtype that the format does not have)."""
    dtype = array.dtype.newbyteorder(">")
    header = bytes((0, 0, _CODES[dtype], array.ndim)) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(dtype).tobytes()


def _content(path: Readable, remedy: Remedy, most: int) -> bytes:
    try:
        content = path.read_bytes()
        if content[:2] == _GZIP:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
                content = packed.read(most + 1)
            if len(content) > most:
                raise DataError(f"{path}: expected at most {most:,} bytes in a gzip file, found more; {remedy(path)}")
        return content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: expected a whole gzip file, found a damaged one ({error}); {remedy(path)}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}); {remedy(path)}") from error


def _check_size(
    path: Readable, found: int, shape: tuple[int, ...], dtype: np.dtype[np.generic], remedy: Remedy
) -> None:
    if 0 in shape:
        raise DataError(f"{path}: expected sizes of at least 1, found {shape}; {remedy(path)}")
    expected = math.prod(shape) * dtype.itemsize
    if found != expected:
        fault = "is cut off" if found < expected else "has more behind its data"
        raise DataError(
            f"{path} {fault}: expected {expected} bytes for {shape} of {dtype.name}, found {found}; {remedy(path)}"
        )
