"""The samples of an epoch, and their order."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from akkordeon_dask._numbers import check_flag, check_int
from akkordeon_dask.data._provider import Provider
from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = ["Selected", "order"]


@dataclass(frozen=True, repr=False, kw_only=True)
class Selected(Provider):
    """The base of providers over arrays: shuffle, take and shard.

    Parameters
    ----------
    shuffle
        draw a new order in each epoch.
    seed
        of the orders: a whole number of at least 0.
    take
        only the first `take` samples.
    shard
        `(i, n)`: every n-th sample of those, beginning with the i-th (from 0). The n shards are
        disjoint and together everything; their sizes differ by one at most.

    Raises
    ------
    DataError
        where one of these is out of range.
    """

    shuffle: bool = True
    seed: int = 0
    take: int | None = None
    shard: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "shuffle", check_flag("shuffle", self.shuffle, error=DataError))
        put(self, "seed", check_int("seed", self.seed, 0, error=DataError))
        if self.take is not None:
            put(self, "take", check_int("take", self.take, 1, error=DataError))
        if self.shard is not None:
            put(self, "shard", _shard(self.shard))

    def rows(self, total: int) -> range:
        """The rows of `total` that this provider serves, before any shuffle."""
        end = total if self.take is None else self.take
        if total == 0:
            raise DataError(f"{self!r} has no samples: give at least one")
        if end > total:
            raise DataError(f"{self!r} takes {end} samples of {total}: take at most {total}")
        start, step = self.shard or (0, 1)
        if start >= end:
            raise DataError(
                f"{self!r} has no samples: {end} samples do not fill {step} shards: make at most {end} shards"
            )
        return range(start, end, step)

    def order(self, rows: range, epoch: int) -> Array:
        """Its rows in the order of an epoch, where it shuffles: (samples,) int64."""
        return order(rows, self.seed, epoch)

    @abstractmethod
    def _call(self) -> tuple[str, list[str]]:
        """The function of `data` that makes this provider, and its positional arguments as written."""

    def _shuffles(self) -> bool:
        """The default of `shuffle`."""
        return True

    def __repr__(self) -> str:
        function, said = self._call()
        defaults: dict[str, Any] = {"shuffle": self._shuffles(), "seed": 0, "take": None, "shard": None}
        for name, default in defaults.items():
            value = getattr(self, name)
            if value != default:
                said.append(f"{name}={value!r}")
        return f"{self.namespace}{function}({', '.join(said)})"


def order(rows: range, seed: int, epoch: int) -> Array:
    """The rows in the order of an epoch, (samples,) int64: a pure function of seed and epoch."""
    stream = np.random.SeedSequence(seed, spawn_key=(epoch,))
    index: Array = np.random.Generator(np.random.SFC64(stream)).permutation(len(rows))
    index *= rows.step
    index += rows.start
    return index


def _shard(shard: Any) -> tuple[int, int]:
    try:
        i, n = shard
    except (TypeError, ValueError):
        raise DataError(f"shard={shard!r}: give a pair (i, n), the i-th of n shards, i from 0") from None
    n = check_int(f"shard={shard!r}: n", n, 1, error=DataError)
    i = check_int(f"shard={shard!r}: i", i, 0, error=DataError)
    if i >= n:
        raise DataError(f"shard={shard!r}: the {n} shards count from 0 to {n - 1}, there is no shard {i}")
    return i, n
