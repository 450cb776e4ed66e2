"""Arrays in .npy files."""

import io

import numpy as np

from akkordeon_dask._files import expand, write_atomic
from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = ["read_samples", "write_array"]


def read_samples(source: str) -> Array:
    """The samples of a .npy file, (samples, ...), which stay in it until they are looked at. Nothing is unpickled.

    Raises
    ------
    DataError
        when it cannot be read, or holds no samples.
    """
    try:
        array = np.load(expand("--input", source, error=DataError), mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"cannot read {source!r}: {error}: give a file that numpy.save wrote, of numbers") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise DataError(f"{source!r} holds several arrays ({', '.join(array.files)}): write one of them by numpy.save")
    if array.ndim == 0 or array.size == 0 or array.dtype.kind not in "biuf":
        raise DataError(f"{source!r} is {array.shape} {array.dtype}: samples are numbers of shape (samples, ...)")
    return array


def write_array(target: str, array: Array) -> None:
    """Write a .npy file, to a path or fsspec URL, as a whole or not at all.

    Raises
    ------
    DataError
        when it cannot be written; what was there is left as it was.
    """
    target, content = expand("--output", target, error=DataError), io.BytesIO()
    np.save(content, array, allow_pickle=False)
    try:
        write_atomic(target, [content.getbuffer()])
    except (OSError, ValueError, ImportError) as error:
        raise DataError(f"cannot write {target!r}: {error}: choose another place, or make room there") from error
