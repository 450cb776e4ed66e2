"""The random generators of a process that torch's modules draw from."""

from __future__ import annotations  # the documentation is built without PyTorch

import random
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from akkordeon_dask.nn import Key

__all__ = ["Draws", "all_seeded", "seeded", "torch_seed"]

_lock = threading.RLock()
"""Held while the default generator has a seed of ours: `nn.Dropout`, recurrent layers and attention take no other."""


@dataclass(slots=True)
class Draws:
    """Whether something drew from the generators; known once its block has ended."""

    any: bool = False
    end: tuple[bytes, ...] = ()
    """The generators' states: of two blocks with one seed they are equal where the same was drawn."""


def torch_seed(key: Key) -> int:
    """The number that torch's default generator is seeded with before a module's forward pass with this key.

    A gate passes the key `Key((seed,)).fold(gate, sentinel, pass, sequence)` to its chain, which folds in the position
    of the layer. A plain loop that calls `torch.manual_seed` with the same number draws the same masks.

    Parameters
    ----------
    key
        of a layer and a batch.

    Returns
    -------
    int
        at least 0 and below 2**63.

    Examples
    --------
    >>> from akkordeon_dask import nn
    >>> from akkordeon_dask.torch import torch_seed
    >>> torch_seed(nn.Key((0,)).fold("g0", "s0", 1, 5).fold(0)) == torch_seed(nn.Key((0,)).fold("g0", "s0", 1, 6, 0))
    False
    """
    return int(key.generator().integers(2**63))


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[Draws]:
    """Have the default generators, the CPU's and a device's, at the begin of a seed's stream; put them back afterwards.

    One thread of the process at a time. A thread of the user's that draws in the meantime, as a loader does that
    augments, takes numbers of this stream; `Draws.end` shows it.
    """
    generators, draws = [torch.default_generator], Draws()
    if device is not None and device.type == "cuda":
        generators.append(torch.cuda.default_generators[device.index])
    with _lock:
        before = [generator.get_state() for generator in generators]
        try:
            begin = _states(generator.manual_seed(seed) for generator in generators)
            yield draws
            draws.end = _states(generators)
            draws.any = draws.end != begin
        finally:
            for generator, state in zip(generators, before, strict=True):
                generator.set_state(state)


def _states(generators: Iterable[torch.Generator]) -> tuple[bytes, ...]:
    return tuple(its.get_state().numpy().tobytes() for its in generators)


@contextmanager
def all_seeded(seed: int) -> Iterator[None]:
    """The same of numpy's and Python's global generators too: code that makes a module draws from any of them."""
    with seeded(seed):
        of_numpy, of_python = np.random.get_state(), random.getstate()
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(of_numpy)
            random.setstate(of_python)
