"""Modules whose tensors cannot be a version's."""

from collections.abc import Iterator

import torch

from akkordeon_dask.errors import SpecError
from akkordeon_dask.torch._template import named_tensors

__all__ = ["check_module"]

_OTHERS = torch.jit.ScriptModule, torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel


def check_module(module: torch.nn.Module, title: str) -> None:
    """Refuse a module whose tensors have no values, or cannot be put in place of by those of a version.

    Raises
    ------
    SpecError
        names the tensor and what to do.
    """
    for name, part in module.named_modules():
        if isinstance(part, _OTHERS):
            which = f"{title}: its part {name!r}" if name else title
            raise SpecError(
                f"{which} is a {type(part).__name__}, which computes with its own weights alone: give the plain module "
                "inside it"
            )
    at: dict[int, tuple[str, torch.Tensor]] = {}
    for _, _, name, tensor in named_tensors(module):
        for refusal in _refusals(tensor):
            raise SpecError(f"{title}: {name!r} {refusal}")
        if tensor.numel() and tensor.layout == torch.strided:
            first, other = at.setdefault(tensor.data_ptr(), (name, tensor))
            if other is not tensor and (tensor.requires_grad or other.requires_grad):
                raise SpecError(
                    f"{title}: {name!r} is not the tensor {first!r}, and lies in its memory: in a version each has its "
                    "own; tie them as one (head.weight = embed.weight, not .data), or give one a .clone()"
                )


def _refusals(tensor: torch.Tensor) -> Iterator[str]:
    if torch.nn.parameter.is_lazy(tensor):
        yield "has a shape that is not known: give the sizes of all layers"
    elif tensor.is_meta:
        yield "has no values, it was made on the 'meta' device: make the module on the CPU"
    elif isinstance(tensor, torch.nn.Parameter) and tensor.is_complex():
        yield "is complex: optimizers take real parameters; keep its two parts, and put them together in forward"
    elif tensor._backward_hooks or getattr(tensor, "_post_accumulate_grad_hooks", None):
        yield "has a hook, which no version's tensor has: write it as an optimizer, or as the module's backward hook"
