"""One forward pass of a module, with tensors that belong to a version."""

from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import is_dataclass
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import torch
from torch.func import functional_call

from akkordeon_dask.errors import SpecError
from akkordeon_dask.torch._blueprint import Blueprint
from akkordeon_dask.torch._foreign import check_own
from akkordeon_dask.torch._notes import noted
from akkordeon_dask.torch._outputs import check_output
from akkordeon_dask.torch._random import Draws, seeded
from akkordeon_dask.torch._shapes import takes_indices
from akkordeon_dask.torch._writes import Writes

__all__ = ["NO_SEED", "run"]

NO_SEED = -1
"""Training without a key: a module that draws then says that it needs one."""

_SWAPPED = frozenset({"_parameters", "_buffers", "_modules", "_flat_weights", "_flat_weight_refs", "training"})
"""Attributes of a module that are not its own state."""

_COLLECTIONS = list, tuple, dict, set, frozenset, deque

_INDICES = torch.int32, torch.int64
"""What PyTorch looks something up by."""

_MOST = 5
"""First passes to compare, where another thread draws during each of them: then nothing is refused."""


class _Pass(NamedTuple):
    """One of several with the same seed."""

    y: torch.Tensor
    draws: Draws


def run(
    blueprint: Blueprint, title: str, tensors: dict[str, torch.Tensor], x: torch.Tensor, *,
    train: bool, seed: int, random: bool | None, dtype: str | None = None,
) -> torch.Tensor:  # fmt: skip
    """The module's output; `tensors` has the buffers afterwards as the pass has left them.

    The first pass in either mode is made three times, to see whether it draws, what it writes into and what it keeps.

    Parameters
    ----------
    tensors
        all parameters and persistent buffers by their first names; buffers are this pass's own.
    seed
        of the default generator, where the module draws.
    random
        the module draws, it does not; None: as its first pass did.
    dtype
        of products and convolutions, "bfloat16"; None: that of the tensors. The output is float32 either way.

    Raises
    ------
    SpecError
        the module writes into its parameters, keeps something of a batch, or draws from a generator of its own.
    ShapeError
        the output is not one tensor with a row for each sample.
    """
    if train not in blueprint.examined:
        return _examined(blueprint, title, tensors, x, train=train, seed=seed, random=random, dtype=dtype)
    draws = blueprint.examined[train]
    if draws:
        _check_seed(title, seed)
    given = x.clone() if blueprint.writes_input else x
    with blueprint.lent(train, _precision(tensors, x)) as module, seeded(seed, x.device) if draws else nullcontext():
        y = _called(blueprint, title, module, tensors, given, dtype)
    parameters = {name: its for name, its in tensors.items() if its._version and name not in blueprint.buffers}
    if parameters or x._version:
        written = f"parameter {next(iter(parameters))!r}" if parameters else "input"
        raise SpecError(
            f"{title} writes into its {written} in some forward passes, and not in its first one: others hold the same "
            "memory; work on a copy"
        )
    return y


def _called(
    blueprint: Blueprint, title: str, module: torch.nn.Module, tensors: dict[str, torch.Tensor], x: torch.Tensor,
    dtype: str | None,
) -> torch.Tensor:  # fmt: skip
    def hints() -> Iterator[str]:
        if blueprint.dtypes:
            yield f"its tensors are made as {blueprint.dtypes}, and all have the gate's dtype here"
        if not (x.is_floating_point() or (x.dtype in _INDICES and takes_indices(blueprint))):
            made, indices = str(x.dtype).removeprefix("torch."), "" if x.dtype in _INDICES else ", .long() indices"
            yield f"the samples are {made}: nn.Scale(mean, std) in front makes floats of them{indices}"
        if dtype is not None:
            yield f"its products are {dtype}, which not every processor has for every module: leave dtype= out"
        if module.training and len(x) == 1:
            yield "the batch has one sample: data.arrays(..., drop_last=True) leaves out an epoch's last, smaller one"

    memory = {name: its.data_ptr() for name, its in tensors.items() if name not in blueprint.buffers}
    with noted(title, module, hints), _autocast(dtype, x.device.type):
        y = functional_call(module, tensors, (x,))
    for name, address in memory.items():
        if tensors[name].data_ptr() != address:
            raise _written_into(title, name)
    y = check_output(title, y, x)
    narrow = dtype is not None and y.dtype == getattr(torch, dtype)
    return y.to(_precision(tensors, x)) if narrow or y.dtype in (torch.float16, torch.float64) else y


def _precision(tensors: dict[str, torch.Tensor], x: torch.Tensor) -> torch.dtype:
    """The floating point of the version, or else of the input."""
    return next((its.dtype for its in (*tensors.values(), x) if its.is_floating_point()), torch.float32)


def _autocast(dtype: str | None, device: str) -> AbstractContextManager[object]:
    """Have the calling thread's products computed so. Versions do not share a cache of narrow weights."""
    if dtype is None:
        return nullcontext()
    narrow: AbstractContextManager[object] = torch.autocast(device, getattr(torch, dtype), cache_enabled=False)
    return narrow


def _examined(
    blueprint: Blueprint, title: str, tensors: dict[str, torch.Tensor], x: torch.Tensor, *,
    train: bool, seed: int, random: bool | None, dtype: str | None,
) -> torch.Tensor:  # fmt: skip
    """The same on copies, so that nothing has been written into when that is found; and once more, to compare."""

    passes = list[_Pass]()

    def once() -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        copies, given = {name: tensor.clone() for name, tensor in tensors.items()}, x.clone()
        with nullcontext(Draws()) if random is False else seeded(max(seed, 0), x.device) as draws:
            y = _called(blueprint, title, module, copies, given, dtype)
        passes.append(_Pass(y.detach(), draws))
        return y, copies, given

    with blueprint.lent(train, _precision(tensors, x)) as module:
        state = _state(module)
        y, copies, _ = once()
        _check_state(title, module, state)
        check_own(title, lambda: once()[0], (x, *tensors.values()))
        while not _is_repeated(title, *passes[-2:]) and len(passes) < _MOST:
            once()
        with Writes() as writes:  # of a pass by itself: torch has other kernels where operations are watched
            _, watched, given = once()
    for name, tensor in watched.items():
        if name not in blueprint.buffers and writes.has(tensor):
            raise _written_into(title, name)
    drew = all(its.draws.any for its in passes) if random is None else random
    if train and drew:
        _check_seed(title, seed)
    blueprint.writes_input |= writes.has(given)
    blueprint.examined[train] = drew
    tensors.update({name: copies[name] for name in blueprint.buffers})
    return y


def _written_into(title: str, name: str) -> SpecError:
    return SpecError(
        f"{title} writes into its parameter {name!r} in a forward pass: other batches in flight compute with the same "
        "version; leave it out (max_norm of an embedding is such a thing), or do it in the optimizer"
    )


def _is_repeated(title: str, one: _Pass, other: _Pass) -> bool:
    """Whether two passes gave the same. Refuse two that gave something else though both drew the same."""
    if one.y.shape == other.y.shape and _is_close(one.y, other.y):
        return True
    if one.draws.end == other.draws.end:  # else another thread may have drawn meanwhile
        raise SpecError(
            f"{title} gives another output for the same batch, parameters, buffers and seed: it keeps something of a "
            "batch, or draws random numbers from another generator than torch's default one; make the first a "
            "persistent buffer (register_buffer), and draw by torch.rand and the like"
        )
    return False


def _is_close(y: torch.Tensor, again: torch.Tensor) -> bool:
    """Up to what a device's sums in any order differ by."""
    if not y.is_floating_point():
        return bool(torch.equal(y, again))
    scale = float(y.detach().abs().nan_to_num(0, 0, 0).max()) if y.numel() else 0.0
    return bool(torch.allclose(y, again, rtol=1e-3, atol=1e-3 * scale, equal_nan=True))


def _check_seed(title: str, seed: int) -> None:
    if seed == NO_SEED:
        raise SpecError(f"{title} draws random numbers: to train it pass key=nn.Key(...)")


def _state(module: torch.nn.Module) -> dict[tuple[str, str], list[tuple[object, object]]]:
    """Every attribute that a forward pass might keep something in, and what it holds."""
    found = {}
    for prefix, part in module.named_modules():
        transient = {name: part._buffers[name] for name in part._non_persistent_buffers_set if name in part._buffers}
        own = {name: value for name, value in vars(part).items() if name not in _SWAPPED}
        for name, value in (*own.items(), *transient.items()):
            found[prefix, name] = list(_contents(value, set()))
    return found


def _contents(value: object, seen: set[int]) -> Iterator[tuple[object, object]]:
    """A value and all that collections in it hold, each with what changes where it is written into."""
    if id(value) in seen:
        return
    if isinstance(value, torch.Tensor):
        yield value, value._version
    elif isinstance(value, np.ndarray):
        yield value, value.tobytes()
    elif isinstance(value, SimpleNamespace) or (is_dataclass(value) and not isinstance(value, type)):
        yield from _contents(getattr(value, "__dict__", None), seen)
    elif isinstance(value, _COLLECTIONS):
        seen.add(id(value))
        yield value, len(value)
        for its in (*value, *value.values()) if isinstance(value, dict) else value:
            yield from _contents(its, seen)
    else:
        yield value, None


def _differ(old: list[tuple[object, object]], new: list[tuple[object, object]]) -> bool:
    return len(old) != len(new) or any(a is not b or its != now for (a, its), (b, now) in zip(old, new, strict=True))


def _check_state(
    title: str, module: torch.nn.Module, before: dict[tuple[str, str], list[tuple[object, object]]]
) -> None:
    for key, contents in _state(module).items():
        if key not in before or _differ(before[key], contents):
            prefix, attribute = key
            name, kept = ".".join(filter(None, key)), module.get_submodule(prefix)._parameters
            computed = any(f"{attribute}{end}" in kept for end in ("_g", "_orig"))
            hint = "; torch.nn.utils.parametrizations has its like that keep nothing" if computed else ""
            raise SpecError(
                f"{title} keeps {name!r} from one forward pass to the next: several batches are in flight; "
                f"make it a persistent buffer (register_buffer), which each update commits, or do not keep it{hint}"
            )
