"""A batch in blocks that fit a core's cache."""

from collections.abc import Iterator

__all__ = ["blocks"]


def blocks(samples: int, sample_bytes: int, bound: int) -> Iterator[slice]:
    """Slices of a batch, each of as many samples of `sample_bytes` as `bound` bytes hold, and at least one."""
    step = max(1, bound // max(1, sample_bytes))
    for start in range(0, samples, step):
        yield slice(start, min(start + step, samples))
