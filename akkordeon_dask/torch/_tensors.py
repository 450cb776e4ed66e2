"""Arrays as tensors and back, in the same memory."""

from typing import Any

import numpy as np
import torch

from akkordeon_dask.errors import ShapeError
from akkordeon_dask.tree import Array

__all__ = ["as_array", "as_tensor"]


class _Writable:
    """The memory of a read-only array, as numpy's interface shows writable memory."""

    def __init__(self, array: Array) -> None:
        self._array = array
        interface: dict[str, Any] = dict(array.__array_interface__)
        interface["data"] = interface["data"][0], False
        self.__array_interface__ = interface


def as_tensor(array: Array) -> torch.Tensor:
    """A tensor on the array's memory, which nobody writes into; of an array that torch cannot show, on a copy.

    torch has no read-only tensors, and warns of a read-only array.
    """
    if not array.dtype.isnative or any(stride < 0 for stride in array.strides):
        array = np.array(array, array.dtype.newbyteorder("="), order="C")
    if not array.flags.writeable:
        array = np.asarray(_Writable(array)) if array.size else array.copy()
    return torch.from_numpy(array)


def as_array(tensor: torch.Tensor) -> Array:
    """A C-contiguous array on the tensor's memory where that is possible; of another device's, on a copy.

    Raises
    ------
    ShapeError
        numpy lacks the dtype, as bfloat16.
    """
    try:
        array: Array = tensor.detach().cpu().contiguous().numpy()
    except TypeError:
        text = str(tensor.dtype).removeprefix("torch.")
        raise ShapeError(f"numpy has no {text}: end the module with .float(), and keep parameters as float32") from None
    return array
