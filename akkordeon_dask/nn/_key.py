"""Keys: randomness as a pure function of where it is used."""

import hashlib
import zlib
from dataclasses import dataclass

import numpy as np

from akkordeon_dask._numbers import check_int
from akkordeon_dask.errors import SpecError

__all__ = ["Key"]


@dataclass(frozen=True, slots=True)
class Key:
    """A node in the tree of random streams, as in JAX: the same key draws the same numbers.

    A gate folds in its seed, its name, the sentinel, the pass and the sequence; a chain the
    layer's position. So a batch that is sent again draws the same masks.

    Parameters
    ----------
    entropy
        the path from the root, whole numbers; a list becomes a tuple.

    Raises
    ------
    SpecError
        when `entropy` is not made of whole numbers.

    Examples
    --------
    >>> from akkordeon_dask import nn
    >>> key = nn.Key((0,)).fold("g0", 1)
    >>> key.generator().random() == key.generator().random()
    True
    >>> key.fold(0).generator().random() == key.fold(1).generator().random()
    False
    """

    entropy: tuple[int, ...]

    def __post_init__(self) -> None:
        if type(self.entropy) is tuple and {int}.issuperset(map(type, self.entropy)):
            return
        if not isinstance(self.entropy, tuple | list):
            raise SpecError(f"a key is made of a tuple of whole numbers, e.g. nn.Key((0,)), not of {self.entropy!r}")
        object.__setattr__(self, "entropy", tuple(check_int("a number of a key", number) for number in self.entropy))

    def fold(self, *path: int | str) -> "Key":
        """The key of a node below this one; words count by their CRC-32."""
        return Key(self.entropy + tuple([step if type(step) is int else _number(step) for step in path]))

    def generator(self) -> np.random.Generator:
        """A new generator at the start of this key's stream."""
        # SeedSequence itself gives (1,) and (1, 0), or (2**32,) and (0, 1), the same stream.
        path = "/".join(str(number) for number in self.entropy)
        seed = int.from_bytes(hashlib.blake2b(path.encode(), digest_size=16).digest(), "little")
        return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed)))


def _number(step: int | str) -> int:
    return zlib.crc32(step.encode()) if isinstance(step, str) else check_int("a step below a key", step)
