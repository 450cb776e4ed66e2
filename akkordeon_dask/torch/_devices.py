"""The device that a module computes on, and the copies that it has of arrays."""

import re
import threading
import weakref
from collections.abc import Callable
from typing import Any

import torch

from akkordeon_dask.errors import PlacementError, SpecError
from akkordeon_dask.torch._tensors import as_tensor
from akkordeon_dask.tree import Array

__all__ = ["DeviceMemory", "check_device", "find_device"]


def check_device(device: object) -> None:
    """Refuse all but None, "cpu", "auto", "cuda" and "cuda:1".

    Raises
    ------
    SpecError
        quotes the device.
    """
    if device is not None and not (isinstance(device, str) and re.fullmatch(r"cpu|auto|cuda(:\d+)?", device)):
        raise SpecError(
            f"TorchModule's device is 'cpu', 'cuda', one of several as 'cuda:1', 'auto', or None, not {device!r:.80}; "
            "a module whose own argument has this name is made by a function"
        )


def find_device(name: str | None, title: str) -> torch.device:
    """The device of that name in this process; "auto": CUDA's current one where there is one, else the CPU.

    Raises
    ------
    PlacementError
        there is none: says how many there are.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name or "cpu")
    if device.type == "cpu":
        return torch.device("cpu")
    seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = device.index if device.index is not None else torch.cuda.current_device() if seen else 0
    if index >= seen:
        raise PlacementError(
            f"{title}: there is no device {name!r}, PyTorch {torch.__version__} sees {seen} CUDA devices in this "
            "process: place the gate by resources or workers, or write device='auto', which takes the CPU then"
        )
    torch.cuda.init()
    return torch.device("cuda", index)


class DeviceMemory:
    """Tensors of arrays. On the CPU they share the array's memory, on any other device they are copies.

    A version's arrays are copied once, however many batches compute with them. Any thread may ask.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._lock = threading.Lock()
        """Held while an array is copied, so that it is copied once."""
        self._copies: dict[int, tuple[weakref.ref[Any], torch.Tensor]] = {}
        """By the id of an array that lives. The death of the array removes its copy, in whichever thread it dies."""

    def of_batch(self, array: Array) -> torch.Tensor:
        """A tensor for one pass."""
        return as_tensor(array).to(self.device)

    def of_version(self, array: Array) -> torch.Tensor:
        """A tensor, by itself a leaf of a graph, of an array that nobody writes into as long as it lives."""
        if self.shares:
            return as_tensor(array)
        with self._lock:
            kept = self._copies.get(id(array))
            if kept is None:
                kept = weakref.ref(array, _forgetting(self._copies, id(array))), self._copy(array)
                self._copies[id(array)] = kept
        return kept[1].detach()

    @property
    def shares(self) -> bool:
        """Tensors are the arrays' own memory."""
        return bool(self.device.type == "cpu")

    def _copy(self, array: Array) -> torch.Tensor:
        return as_tensor(array).to(self.device)


def _forgetting(copies: dict[int, Any], key: int) -> Callable[[Any], None]:
    return lambda _: copies.pop(key, None) and None
