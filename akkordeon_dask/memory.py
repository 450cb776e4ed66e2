"""Recycled memory for large arrays.

`empty` returns an uninitialised array. A large one lives in a block that the pool got from the operating
system once; when the last reference to the array dies (every view and every frame on its way to
a socket counts) the block returns to the pool, in whichever thread. So a steady state allocates nothing
large, whatever the process's malloc settings are, and no caller has to release a buffer.

`scratch` returns memory of the calling thread's own, for what nobody keeps.

Threads: the pool is shared by all threads of the process. Its free lists change only by
`list.append` and `list.pop`, which are atomic; the room that is left is computed from them, so that races do not
add up: the pool may hold a block per thread above its capacity, no more.
"""

import math
import mmap
import os
import threading
import weakref
from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from akkordeon_dask.tree import Array

__all__ = ["ALIGNMENT", "Pool", "aligned", "copied", "empty", "empty_like", "pool", "scratch"]

ALIGNMENT = 64
"""Bytes; OpenBLAS kernels are up to twice as slow on misaligned float32 arrays."""

_SMALL = 32 * 1024
_GRAIN = 64 * 1024
_SCRATCH = 4 * 1024 * 1024
"""Bytes that each thread keeps as its scratch memory, at most."""

# mmap's default is shared memory: a forked child would write into its parent's arrays.
_PRIVATE = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}


class _Block(mmap.mmap):
    """Memory of the pool. An array whose base is one begins where it does: on a page."""

    __slots__ = ()


class _Lease(weakref.ref[Array]):
    """Watches a lent array; dies with it and returns the block."""

    __slots__ = ("block",)
    block: _Block


class Pool:
    """Blocks of memory that return when the last array on them dies.

    Parameters
    ----------
    capacity
        bytes of free blocks to keep; further blocks return to the operating system.
    poison
        debug mode: fill returned blocks with NaN so that a late reader is noticed.
    """

    def __init__(self, capacity: int = 512 * 1024 * 1024, *, poison: bool = False) -> None:
        self.capacity = capacity
        self.poison = poison
        self._room = 0
        """Bytes that may return before the free ones are counted again."""
        self._free: defaultdict[int, list[_Block]] = defaultdict(list)
        self._leases: dict[int, _Lease] = {}

    @property
    def free_bytes(self) -> int:
        """Bytes of the free blocks."""
        return sum(nbytes * len(blocks) for nbytes, blocks in self._free.copy().items())

    @property
    def lent(self) -> int:
        """Blocks under a living array."""
        return len(self._leases)

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        """An uninitialised C-contiguous array; a large one is recycled and page-aligned."""
        kind = np.dtype(dtype)
        nbytes = kind.itemsize * math.prod(shape)
        if nbytes < _SMALL:
            return np.empty(shape, kind)
        return self._lend(-(-nbytes // _GRAIN) * _GRAIN, shape, kind)

    def _lend(self, nbytes: int, shape: tuple[int, ...], kind: np.dtype[Any]) -> Array:
        try:
            block = self._free[nbytes].pop()
        except IndexError:
            block = _Block(-1, nbytes, **_PRIVATE)
        array: Array = np.ndarray(shape, kind, buffer=block)
        lease = _Lease(array, self._returned)
        lease.block = block
        self._leases[id(lease)] = lease
        return array

    def _returned(self, lease: weakref.ref[Array]) -> None:
        """Runs in whichever thread dropped the last reference."""
        assert isinstance(lease, _Lease)
        del self._leases[id(lease)]
        block = lease.block
        if self.poison:
            np.frombuffer(block, np.uint8)[...] = 0xFF
        if self._room < len(block):
            self._room = self.capacity - self.free_bytes
        if self._room >= len(block):
            self._room -= len(block)
            self._free[len(block)].append(block)

    def clear(self) -> None:
        """Return all free blocks to the operating system."""
        for blocks in list(self._free.values()):
            while blocks:
                blocks.pop()


pool = Pool(poison=bool(os.environ.get("AKKORDEON_DEBUG")))
"""The process's pool. `AKKORDEON_DEBUG=1` in the environment poisons returned blocks."""

empty = pool.empty


class _Scratch(threading.local):
    """A thread's block. Nobody else sees it, and it ends with the thread."""

    block: _Block | None = None


_scratch = _Scratch()


def scratch(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
    """An uninitialised C-contiguous array that is the caller's until the same thread calls `scratch` again.

    A core has its own thread's memory in its caches. Where cores do not share one, a write to what another core has
    read or written last took 15 times as long. An array above 4 MiB is one of `empty`.

    Examples
    --------
    >>> from akkordeon_dask.memory import scratch
    >>> scratch((1000, 100)).shape
    (1000, 100)
    """
    kind = np.dtype(dtype)
    nbytes = kind.itemsize * math.prod(shape)
    if nbytes > _SCRATCH:
        return empty(shape, kind)
    block = _scratch.block
    if block is None or len(block) < nbytes:
        block = _scratch.block = _Block(-1, max(1, -(-nbytes // _GRAIN)) * _GRAIN, **_PRIVATE)
    if pool.poison:
        np.frombuffer(block, np.uint8)[...] = 0xFF
    return np.ndarray(shape, kind, buffer=block)


def empty_like(x: Array) -> Array:
    """An uninitialised array with the shape and dtype of `x`, in C order."""
    return np.empty(x.shape, x.dtype) if x.nbytes < _SMALL else empty(x.shape, x.dtype)


def copied(x: Array) -> Array:
    """A copy of `x` in C order, in the machine's byte order and aligned."""
    copy = empty(x.shape, x.dtype.newbyteorder("="))
    np.copyto(copy, x)
    return copy


def aligned(x: Array) -> Array:
    """`x` itself where it is contiguous, in the machine's byte order and aligned, else a copy that is.

    A large array is aligned to `ALIGNMENT`, for speed; a small one to its dtype, for equal bits: numpy multiplies
    misaligned arrays in another order.
    """
    flags = x.flags
    if not (flags.c_contiguous and x.dtype.isnative):
        return copied(x)
    if x.nbytes < _SMALL:
        return x if flags.aligned else copied(x)
    # Reading the address takes twice as long as asking for the base.
    return x if isinstance(x.base, _Block) or x.ctypes.data % ALIGNMENT == 0 else copied(x)
