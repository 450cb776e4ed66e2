"""A batch in blocks that fit a core's cache."""

from collections.abc import Iterator

__all__ = ["blocks"]


def blocks(samples: int, sample_bytes: int, bound: int) -> Iterator[slice]:
    """Slices of a batch, as few as can be and almost of one size: no more samples of `sample_bytes` than `bound`
    bytes hold, and at least one. The first is the largest.
    """
    most = max(1, bound // max(1, sample_bytes))
    step = -(-samples // max(1, -(-samples // most)))
    for start in range(0, samples, max(1, step)):
        yield slice(start, min(start + step, samples))
