"""Moves, cuts out and mirrors the images of another source."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from akkordeon_dask import memory
from akkordeon_dask.data._image_operations import ImageOperations
from akkordeon_dask.data._provider import Batch, Source
from akkordeon_dask.tree import Array

__all__ = ["AugmentedSource"]

_CHUNK = 512 * 1024
"""Bytes of images that are worked on at a time: they stay in a core's L2 cache between the steps."""


class AugmentedSource(Source):
    """Serves the batches of `inner` with `operations` on every image, drawn from `seed`.

    Batches are new arrays in recycled memory and belong to the caller; those of `inner` are only read.

    Raises
    ------
    DataError
        where the samples of `inner` are no images that the operations can work on. Batches of a stream, whose
        samples are not known before, are checked as they come.
    """

    stable = True

    def __init__(self, inner: Source, operations: ImageOperations, seed: int) -> None:
        self._inner, self._operations, self._seed = inner, operations, seed
        self.samples = inner.samples
        self.shape = None if inner.shape is None else operations.output_shape(inner.shape)
        self.dtype = inner.dtype
        self.labelled = inner.labelled
        self.blocking = inner.blocking
        self.columns = inner.columns
        if inner.dtype is not None:
            operations.check_fill(inner.dtype)

    def batches(self, epoch: int, batch_size: int) -> Iterator[Batch]:
        # The inner source is asked here, not at the first batch: it refuses a `batch_size` at once.
        return self._augmented(self._inner.batches(epoch, batch_size), epoch)

    def interrupt(self) -> None:
        self._inner.interrupt()

    def close(self) -> None:
        self._inner.close()

    def _augmented(self, batches: Iterator[Batch], epoch: int) -> Iterator[Batch]:
        for index, (x, *others) in enumerate(batches):
            self.columns = self._inner.columns  # of a stream they are known by now
            stream = np.random.SeedSequence(self._seed, spawn_key=(epoch, index))
            yield (self._moved(x, stream), *others)  # type: ignore[misc]  # as many as there were

    def _moved(self, x: Array, stream: np.random.SeedSequence) -> Array:
        its = self._operations
        its.check_fill(x.dtype)
        images = x.reshape(len(x), *its.image(x.shape[1:]))
        *_, height, width = images.shape
        size = its.crop or (height, width)
        out = memory.empty((len(x), *its.output_shape(x.shape[1:])), x.dtype)
        moves = _draw(stream, len(x), (height - size[0], width - size[1]), its.shift, its.flip)
        _move(images, moves, its.shift, its.fill, out.reshape(*images.shape[:2], *size))
        return out


class _Moves(NamedTuple):
    """For each image the corner of its window, counted from the frame's, and whether it is mirrored."""

    tops: Array
    lefts: Array
    flips: Array


def _draw(stream: np.random.SeedSequence, batch: int, room: tuple[int, int], shift: int, flip: bool) -> _Moves:
    """`room`: the pixels by which an image is higher and wider than its crop."""
    rng = np.random.Generator(np.random.SFC64(stream))
    tops, lefts = (
        rng.integers(2 * shift, size=batch, endpoint=True) + rng.integers(spare, size=batch, endpoint=True)
        for spare in room
    )
    return _Moves(tops, lefts, rng.random(batch) < 0.5 if flip else np.zeros(batch, bool))


def _move(images: Array, moves: _Moves, shift: int, fill: float, out: Array) -> None:
    """The window of each image, in a frame of `fill` that is `shift` pixels wide, into `out`."""
    batch, channels, height, width = images.shape
    sample = (channels, height + 2 * shift, width + 2 * shift)
    rows = min(batch, max(1, _CHUNK * batch // max(1, images.nbytes)))
    frame = memory.empty((rows, *sample), images.dtype)
    frame[...] = fill
    inside = frame[:, :, shift : shift + height, shift : shift + width]
    windows = sliding_window_view(frame, out.shape[1:], axis=(1, 2, 3))[:, 0]
    for start in range(0, batch, rows):
        part = slice(start, min(start + rows, batch))
        here = np.arange(part.stop - start)
        inside[: len(here)] = images[part]
        tops, lefts, flips = (drawn[part] for drawn in moves)
        chosen, target = windows[here, tops, lefts], out[part]
        target[...] = chosen
        target[flips] = chosen[flips][..., ::-1]
