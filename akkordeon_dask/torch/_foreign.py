"""Tensors that a module computes with and a version does not have."""

from collections.abc import Callable, Collection

import torch

from akkordeon_dask.errors import SpecError

__all__ = ["check_own"]


def check_own(title: str, compute: Callable[[], torch.Tensor], own: Collection[torch.Tensor]) -> torch.Tensor:
    """The output of a pass, which is made with autograd. Refuse one that depends on a trained tensor of others.

    Raises
    ------
    SpecError
        no update would train it, no file would have it, and copies of the module would share it.
    """
    with torch.enable_grad():
        y = compute()
        known = set(map(id, own))
        if found := {key: its for key, its in _leaves(y).items() if key not in known}:
            again = _leaves(compute())  # without those that a pass makes for itself
            for tensor in (its for key, its in found.items() if key in again):
                raise SpecError(
                    f"{title} computes with a tensor of shape {tuple(tensor.shape)} that requires a gradient and is "
                    "none of its parameters: no update would train it, and no file would have it; register it "
                    "(nn.Parameter, nn.ModuleList), and let no lambda kept by the module refer to the module: in a "
                    "copy it would compute with the weights of the original"
                )
    return y


def _leaves(y: torch.Tensor) -> dict[int, torch.Tensor]:
    """The tensors that gradients by `y` would end in, by id."""
    if y.grad_fn is None:
        return {id(y): y} if y.requires_grad else {}
    found: dict[int, torch.Tensor] = {}
    left, seen = [y.grad_fn], {y.grad_fn}
    while left:
        node = left.pop()
        variable = getattr(node, "variable", None)
        if isinstance(variable, torch.Tensor):
            found[id(variable)] = variable
        new = {its for its, _ in node.next_functions if its is not None} - seen
        seen |= new
        left += new
    return found
