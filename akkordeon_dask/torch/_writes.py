"""The memory that a pass writes into, also where it writes what was there."""

from __future__ import annotations  # the documentation is built without PyTorch

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["Writes"]


class Writes(TorchDispatchMode):  # type: ignore[misc]  # torch has no types for it
    """Notes the memory of all tensors that operations write into while it is entered, through `.data` too."""

    def __init__(self) -> None:
        super().__init__()
        self._written: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        self._written.update(map(_address, _written_by(func, args, options)))
        return func(*args, **options)

    def has(self, tensor: torch.Tensor) -> bool:
        """Whether something was written into a tensor's memory; an empty one has none."""
        return bool(tensor.numel()) and _address(tensor) in self._written


def _written_by(func: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Iterator[torch.Tensor]:
    for position, argument in enumerate(func._schema.arguments):
        if argument.alias_info is None or not argument.alias_info.is_write:
            continue
        value = args[position] if position < len(args) else options.get(argument.name)
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, torch.Tensor):
                yield one


def _address(tensor: torch.Tensor) -> int:
    address: int = tensor.untyped_storage().data_ptr()
    return address
