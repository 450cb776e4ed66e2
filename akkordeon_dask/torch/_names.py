"""The notation of classes and functions, of torch and of users."""

from collections.abc import Mapping
from typing import Any

import torch

__all__ = ["call_text", "name_of"]


def name_of(value: Any) -> str:
    """A class or function as a user writes it, `torch.nn.Linear`; anything else as it prints."""
    name = getattr(value, "__qualname__", None)
    if not isinstance(name, str):
        return repr(value)
    for home, package in (("torch.nn", torch.nn), ("torch.optim", torch.optim)):
        if getattr(package, name, None) is value:
            return f"{home}.{name}"
    return name


def call_text(name: str, args: tuple[Any, ...], options: Mapping[str, Any]) -> str:
    """The call of `name` with these arguments."""
    parts = [name_of(value) for value in args]
    parts += [f"{key}={name_of(value)}" for key, value in options.items()]
    return f"{name}({', '.join(parts)})"
