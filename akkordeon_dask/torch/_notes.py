"""Errors of a module's own code say which part of which layer raised them."""

import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch

from akkordeon_dask.errors import AkkordeonError, SpecError

__all__ = ["noted", "noted_backward"]


@contextmanager
def noted(title: str, module: torch.nn.Module, hints: Callable[[], Iterable[str]]) -> Iterator[None]:
    """Add a note to whatever a forward pass of the module raises: the part of the module, its title, and hints."""
    try:
        yield
    except AkkordeonError:
        raise
    except Exception as error:
        error.add_note("; ".join((f"in {_part(module, error)}{title}", *hints())))
        raise


@contextmanager
def noted_backward(title: str) -> Iterator[None]:
    """The same of a backward pass.

    Raises
    ------
    SpecError
        it computes parts of the forward pass again: the version's tensors are no longer in the module's place then.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, RuntimeError) and ("meta" in str(error) or "torch.utils.checkpoint" in str(error)):
            raise SpecError(
                f"{title} computes parts of its forward pass again in the backward pass (torch.utils.checkpoint): its "
                "tensors belong to the forward pass alone; leave that out while it trains"
            ) from error
        error.add_note(f"in the backward pass of {title}")
        raise


def _part(module: torch.nn.Module, error: Exception) -> str:
    """The innermost part of the module that was computing, as text in front of the title; "": the module itself."""
    names = {id(part): name for name, part in module.named_modules()}
    found = [
        its for frame, _ in traceback.walk_tb(error.__traceback__) if id(its := frame.f_locals.get("self")) in names
    ]
    return f"{names[id(found[-1])]!r} ({type(found[-1]).__name__}) of " if found and names[id(found[-1])] else ""
