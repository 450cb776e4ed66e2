"""The mode of a module, which is that of each message."""

import torch

from akkordeon_dask.errors import SpecError

__all__ = ["settle_mode"]


def settle_mode(module: torch.nn.Module, title: str) -> None:
    """Have the module train. Refuse one that trains but for parts which were put in evaluation mode by hand.

    Raises
    ------
    SpecError
        names the part: nobody can tell whether it is meant so, and each pass has one mode here.
    """
    apart = {name: part for name, part in module.named_modules() if module.training and not part.training}
    module.train()
    for name, part in apart.items():
        if part.training:
            raise SpecError(
                f"{title}: its part {name!r} ({type(part).__name__}) is in evaluation mode, and the module in training "
                "mode: each pass has one, that of its message; call .train() on the module, or keep a part in "
                "evaluation mode by a train() of the module's own class"
            )
