"""A module that is made once a process: its tensors' names, and copies for threads to compute with."""

import copy
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch

from akkordeon_dask.errors import SpecError
from akkordeon_dask.torch._checks import check_module
from akkordeon_dask.torch._devices import DeviceMemory, find_device
from akkordeon_dask.torch._modes import settle_mode
from akkordeon_dask.torch._random import all_seeded
from akkordeon_dask.torch._template import emptied, move_transient, named_tensors
from akkordeon_dask.tree import STATISTICS

__all__ = ["Blueprint"]

_SEED = 0


class Blueprint:
    """The form of the module that `make` returns. Any thread may use it.

    Parameters
    ----------
    make
        returns a new `torch.nn.Module`.
    title
        of the layer, for errors.
    device
        by name, that the process computes on.
    """

    def __init__(self, make: Callable[[], Any], title: str, device: str | None = None) -> None:
        self._make, self._title, self._device = make, title, device
        self._lock = threading.RLock()
        """Guards the making of what is made once."""
        self._idle: defaultdict[tuple[bool, torch.dtype], deque[torch.nn.Module]] = defaultdict(deque)
        """Copies that no thread computes with, by whether they train, and precision. Changed by atomic calls alone."""
        self.examined: dict[bool, bool] = {}
        """By whether it trains: a first pass has been watched, and the module draws random numbers in it."""
        self.writes_input = False
        """A pass has written into its input."""

    def new(self, seed: int) -> torch.nn.Module:
        """The module with parameters of its own, drawn with this seed.

        Raises
        ------
        SpecError
            when it cannot be made, is no module, or has tensors that cannot be a version's.
        """
        try:
            with all_seeded(seed):
                module = self._make()
        except Exception as error:
            raise SpecError(f"{self._title}: the module cannot be made: {error!r:.300}") from error
        if not isinstance(module, torch.nn.Module):
            raise SpecError(f"{self._title} makes {module!r:.80}: it has to make a torch.nn.Module")
        check_module(module, self._title)
        return module

    @cached_property
    def skeleton(self) -> torch.nn.Module:
        """The module without memory for its parameters and persistent buffers.

        Raises
        ------
        SpecError
            it cannot be copied, or see `new`.
        """
        with self._lock:
            made = self.new(_SEED)
            try:
                skeleton = emptied(copy.deepcopy(made))  # a factory may hand out what it keeps
            except Exception as error:
                raise SpecError(
                    f"{self._title}: the module cannot be copied, of which each thread has a copy: {error!r:.400}; "
                    "keep in it no lock or open file, and no tensor that is computed from others, as the older "
                    "weight_norm does (torch.nn.utils.parametrizations has its like)"
                ) from error
            settle_mode(skeleton, self._title)
        return skeleton

    @cached_property
    def memory(self) -> DeviceMemory:
        """Of the device.

        Raises
        ------
        PlacementError
            this process has no such device.
        """
        return DeviceMemory(find_device(self._device, self._title))

    @property
    def on_meta(self) -> torch.nn.Module:
        """A copy in float32, to evaluate, that computes shapes alone."""
        with self._lock:
            module = copy.deepcopy(self.skeleton).to("meta")
        return module.float().eval()

    @cached_property
    def names(self) -> dict[str, tuple[str, ...]]:
        """All names of each tensor by its first one; tied tensors have several.

        Raises
        ------
        SpecError
            for a name that would be mistaken for something else.
        """
        found: dict[int, list[str]] = {}
        for _, _, name, tensor in named_tensors(self.skeleton):
            found.setdefault(id(tensor), []).append(name)
        names = {every[0]: tuple(every) for every in found.values()}
        if STATISTICS in names:
            raise SpecError(f"{self._title}: a tensor is called {STATISTICS!r}, as what is not trained: rename it")
        return names

    @cached_property
    def tensors(self) -> dict[str, torch.Tensor]:
        """All parameters and persistent buffers, without memory, each by its first name."""
        tensors = {name: tensor for _, _, name, tensor in named_tensors(self.skeleton)}
        return {name: tensors[name] for name in self.names}

    @cached_property
    def trained(self) -> tuple[str, ...]:
        """The names of the parameters that are trained; others are frozen."""
        return tuple(name for name, its in self.tensors.items() if its.requires_grad)

    @cached_property
    def dtypes(self) -> str:
        """Of the parameters as they are made, where they are not all of one; else ""."""
        found = sorted(
            {str(its.dtype).removeprefix("torch.") for its in self.tensors.values() if its.is_floating_point()}
        )
        return " and ".join(found) if len(found) > 1 else ""

    @cached_property
    def buffers(self) -> tuple[str, ...]:
        """The names of the persistent buffers."""
        return tuple(name for name, its in self.tensors.items() if not isinstance(its, torch.nn.Parameter))

    @contextmanager
    def lent(self, train: bool, dtype: torch.dtype) -> Iterator[torch.nn.Module]:
        """A copy that this thread alone computes with, in one of the two modes and in this precision for ever."""
        idle = self._idle[train, dtype]
        try:
            module = idle.pop()
        except IndexError:
            with self._lock:
                module = copy.deepcopy(self.skeleton).train(train)
            for part in module.modules():
                move_transient(part, self.memory.device, dtype)
        yield module
        idle.append(module)  # not after an error: nobody knows how the module was left
