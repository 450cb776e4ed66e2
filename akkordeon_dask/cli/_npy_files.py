"""Arrays in .npy files."""

import io

import numpy as np

from akkordeon_dask._files import is_url, read_bytes, write_or_raise
from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = ["read_samples", "write_array"]


def read_samples(source: str) -> Array:
    """The samples of a .npy file, (samples, ...), by its path or fsspec URL. Nothing is unpickled.

    Those of a local file are mapped into memory and read when they are used.

    Raises
    ------
    DataError
        when it cannot be read, or holds no samples.
    """
    try:
        if is_url(source):
            array = np.load(io.BytesIO(read_bytes(source)), allow_pickle=False)
        else:
            array = np.load(source, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, ImportError, EOFError, MemoryError) as error:
        raise DataError(f"cannot read {source!r}: {error}: give a file that numpy.save wrote, of numbers") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise DataError(f"{source!r} holds several arrays ({', '.join(array.files)}): write one of them by numpy.save")
    if array.ndim == 0 or array.size == 0 or array.dtype.kind not in "biuf":
        raise DataError(f"{source!r} is {array.shape} {array.dtype}: samples are numbers of shape (samples, ...)")
    return array


def write_array(target: str, array: Array) -> None:
    """Write a .npy file, to a path or fsspec URL, completely or not at all.

    Raises
    ------
    DataError
        when it cannot be written; a file of that name is then unchanged.
    """
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    write_or_raise(target, [content.getbuffer()], DataError)
