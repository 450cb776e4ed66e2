"""Modules whose tensors cannot be a version's."""

from collections.abc import Iterable, Iterator
from operator import itemgetter

import torch

from akkordeon_dask.errors import SpecError
from akkordeon_dask.torch._template import named_tensors

__all__ = ["check_memory", "check_module"]

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
    for _, _, name, tensor in named_tensors(module):
        for refusal in _refusals(tensor):
            raise SpecError(f"{title}: {name!r} {refusal}")
    check_memory(title, ((repr(name), tensor) for _, _, name, tensor in named_tensors(module)))


def check_memory(title: str, named: Iterable[tuple[str, torch.Tensor]]) -> None:
    """Refuse tensors, one of them trained, that have numbers in one memory and are not one tensor.

    Raises
    ------
    SpecError
        names both.
    """
    spans = [(*_span(its), name, its) for name, its in named if its.numel() and its.layout == torch.strided]
    before = list[tuple[int, str, torch.Tensor]]()
    """With the ends of those that may reach into the next one."""
    for begin, end, name, tensor in sorted(spans, key=itemgetter(0)):
        before = [its for its in before if its[0] > begin]
        for _, first, other in before:
            if other is not tensor and (tensor.requires_grad or other.requires_grad) and _overlap(tensor, other):
                raise SpecError(
                    f"{title}: {name} is not the tensor {first}, and lies in its memory: in a version each has its "
                    "own; tie them as one (head.weight = embed.weight, not .data), or give one a .clone()"
                )
        before.append((end, name, tensor))


def _span(tensor: torch.Tensor) -> tuple[int, int]:
    """The addresses of its first number and behind its last one."""
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.data_ptr(), tensor.data_ptr() + (last + 1) * tensor.element_size()


def _overlap(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors whose spans overlap have a number in common: columns of one matrix have none."""
    size, begin = one.element_size(), min(one.data_ptr(), other.data_ptr())
    offsets = [its.data_ptr() - begin for its in (one, other)]
    if other.element_size() != size or any(offset % size for offset in offsets):
        return True
    numbers = torch.arange((max(_span(one)[1], _span(other)[1]) - begin) // size)
    mine, theirs = (
        numbers.as_strided(its.shape, its.stride(), offset // size).flatten()
        for its, offset in zip((one, other), offsets, strict=True)
    )
    return bool(torch.isin(mine, theirs).any())


def _refusals(tensor: torch.Tensor) -> Iterator[str]:
    if torch.nn.parameter.is_lazy(tensor):
        yield "has a shape that is not known: give the sizes of all layers"
    elif tensor.is_meta:
        yield "has no values, it was made on the 'meta' device: make the module on the CPU"
    elif kind := _other_kind(tensor):
        yield (
            f"is {kind}, and a version has dense arrays of what numpy knows: keep it as one, and make the {kind} "
            "tensor of it in forward; a buffer of torch.sparse_coo may be one by register_buffer(..., persistent=False)"
        )
    elif isinstance(tensor, torch.nn.Parameter) and tensor.is_complex():
        yield "is complex: optimizers take real parameters; keep its two parts, and put them together in forward"
    elif tensor._backward_hooks or getattr(tensor, "_post_accumulate_grad_hooks", None):
        yield "has a hook, which no version's tensor has: write it as an optimizer, or as the module's backward hook"


def _other_kind(tensor: torch.Tensor) -> str:
    """A word for a tensor that is no dense array of numbers that numpy knows, or bfloat16; else ""."""
    if tensor.is_quantized or tensor.is_nested:
        return "quantized" if tensor.is_quantized else "nested"
    if tensor.layout != torch.strided:
        return str(tensor.layout).removeprefix("torch.")
    try:
        torch.empty(0, dtype=torch.float32 if tensor.dtype == torch.bfloat16 else tensor.dtype).numpy()
    except TypeError:
        return str(tensor.dtype).removeprefix("torch.")
    return ""
