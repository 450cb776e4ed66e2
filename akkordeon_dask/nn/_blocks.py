"""A batch in blocks that fit a core's cache."""

from collections.abc import Iterator

__all__ = ["blocks"]


def blocks(samples: int, sample_bytes: int, bound: int) -> Iterator[slice]:
    """Slices of a batch, as few as can be and of about one size.

    Each has a sample of `sample_bytes` or more, but no more than `bound` bytes hold; the first is the largest.
    """
    most = max(1, bound // max(1, sample_bytes))
    few = max(1, -(-samples // most))
    step = max(1, -(-samples // few))
    for start in range(0, samples, step):
        yield slice(start, min(start + step, samples))
