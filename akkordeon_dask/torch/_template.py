"""A module that exists as a value: its skeleton and its state."""

import copy
import io
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field

import cloudpickle
import torch
from safetensors.torch import load, save

from akkordeon_dask.errors import SpecError
from akkordeon_dask.torch._modes import settle_mode

__all__ = ["Template", "emptied", "move_transient", "named_tensors"]


def named_tensors(module: torch.nn.Module) -> Iterator[tuple[torch.nn.Module, str, str, torch.Tensor]]:
    """`(owner, attribute, dotted name, tensor)` of all parameters and persistent buffers, tied ones by each name."""
    for prefix, owner in module.named_modules(remove_duplicate=False):
        kept = {name: its for name, its in owner._buffers.items() if name not in owner._non_persistent_buffers_set}
        for name, tensor in (*owner._parameters.items(), *kept.items()):
            if tensor is not None:
                yield owner, name, f"{prefix}.{name}" if prefix else name, tensor


def emptied(module: torch.nn.Module) -> torch.nn.Module:
    """The module itself, with tensors without memory for its parameters and persistent buffers; tied ones stay so."""
    new: dict[int, torch.Tensor] = {}
    kept = []
    for owner, attribute, _, tensor in list(named_tensors(module)):
        kept.append(tensor)  # an id is that of one tensor as long as it lives
        if id(tensor) not in new:
            bare = torch.empty_like(tensor, device="meta", requires_grad=False)
            new[id(tensor)] = torch.nn.Parameter(bare, tensor.requires_grad) if _trains(tensor) else bare
        table = owner._parameters if attribute in owner._parameters else owner._buffers
        table[attribute] = new[id(tensor)]
    for part in module.modules():
        move_transient(part, torch.device("cpu"))
        if isinstance(part, torch.nn.RNNBase):
            with torch.no_grad():  # a weight that is computed has no graph, which could not be copied
                part._flat_weights = [getattr(part, name) for name in part._flat_weights_names]
    return module


def move_transient(part: torch.nn.Module, device: torch.device, dtype: "torch.dtype | None" = None) -> None:
    """Have a part's buffers that are not persistent on a device; they are the only ones that a skeleton has.

    Those of floating point become of `dtype`; None: stay as they are.
    """
    for name in part._non_persistent_buffers_set:
        if (buffer := part._buffers.get(name)) is not None:
            part._buffers[name] = buffer.to(device, dtype if buffer.is_floating_point() else None)


def _trains(tensor: torch.Tensor) -> bool:
    return isinstance(tensor, torch.nn.Parameter)


@dataclass(frozen=True)
class Template:
    """Makes copies of a module that was given as an instance."""

    skeleton: bytes
    """A pickle of the module without its state."""
    state: bytes
    """Parameters and persistent buffers as safetensors, tied ones once."""
    title: str = field(compare=False)

    @classmethod
    def of(cls, module: torch.nn.Module) -> "Template":
        """The template of a module, which stays as it is.

        Raises
        ------
        SpecError
            when it cannot be copied or pickled.
        """
        state: dict[str, torch.Tensor] = {}
        seen: set[int] = set()
        for _, _, name, tensor in named_tensors(module):
            if id(tensor) not in seen:
                seen.add(id(tensor))
                state[name] = tensor.detach().cpu().contiguous().clone()
        try:
            skeleton = emptied(copy.deepcopy(module))
            settle_mode(skeleton, type(module).__name__)
            text = _pickled(_unpickled(_pickled(skeleton)))  # so that equal modules have equal pickles
        except SpecError:
            raise
        except Exception as error:
            title = type(module).__name__
            raise SpecError(
                f"the module {title} cannot be pickled ({error!r:.300}): give TorchModule the class or a function that "
                f"makes it, TorchModule({title}, ...); on a cluster a class of a script travels by pickle: put one "
                "that cannot, as an autograd.Function with @once_differentiable, into a module of its own, and hand "
                "that to the workers by client.upload_file"
            ) from error
        return cls(text, save(state), type(module).__name__)

    def __call__(self) -> torch.nn.Module:
        """A new module with the state, of which nothing is shared."""
        module = _unpickled(self.skeleton)
        state = load(self.state)
        filled: dict[int, torch.Tensor] = {}
        kept = []
        for owner, attribute, name, tensor in list(named_tensors(module)):
            kept.append(tensor)
            if id(tensor) not in filled:
                new = state[name]
                filled[id(tensor)] = torch.nn.Parameter(new, tensor.requires_grad) if _trains(tensor) else new
            table = owner._parameters if attribute in owner._parameters else owner._buffers
            table[attribute] = filled[id(tensor)]
        return module

    def __repr__(self) -> str:
        return f"<a copy of {self.title}, {len(self.state):,} bytes>"


def _pickled(module: torch.nn.Module) -> bytes:
    content = io.BytesIO()
    cloudpickle.CloudPickler(content).dump(module)
    return content.getvalue()


def _unpickled(content: bytes) -> torch.nn.Module:
    module: torch.nn.Module = pickle.loads(content)
    return module
