"""The base of the batch normalisations: all but the shape of a sample."""

import math
from abc import abstractmethod
from dataclasses import fields
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from akkordeon_dask._numbers import keep_int, keep_number
from akkordeon_dask.memory import empty
from akkordeon_dask.nn._column_sums import column_sums
from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context, Gradients, Layer, Shape
from akkordeon_dask.nn._normalisation import OPERATIONS, column_products, output_for, parts
from akkordeon_dask.nn._shapes import is_full, merged
from akkordeon_dask.tree import STATISTICS, Array, Tree

__all__ = ["BatchNorm"]


class _Context(NamedTuple):
    w: Array
    centred: Array
    """`(batch, channels * positions)`: the input less about its mean."""
    offset: Array
    """`(channels,)` float64: the rest of the mean."""
    inverse: Array
    """`(channels,)` float64: `1 / sqrt(var + eps)`."""
    shown: Tree
    itself: bool
    """The batch was normalised by its own statistics."""

    @property
    def scale(self) -> Array:
        scale: Array = self.w * self.inverse
        return scale

    @property
    def numbers(self) -> int:
        """Of one channel."""
        return self.centred.size // len(self.w)


class BatchNorm(Layer):
    """`y = (x - mean) / sqrt(var + eps) * w + b`, channel by channel.

    A subclass is a dataclass with these fields behind its number of channels.

    A batch is worked on as `(batch, channels * positions)`, with the one number of each channel
    repeated for its positions: numpy is twice as fast on a long row as on many short ones. Small arrays are float64.
    """

    draws: ClassVar[bool] = False

    momentum: float
    eps: float

    @property
    def _channels(self) -> int:
        channels: int = getattr(self, fields(self)[0].name)
        return channels

    @property
    @abstractmethod
    def input_shape(self) -> Shape | None: ...

    def __post_init__(self) -> None:
        keep_int(self, fields(self)[0].name, 1)
        keep_number(self, "momentum", least=0, below=1)
        keep_number(self, "eps", above=0)

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Tree:
        statistics = {"mean": np.zeros(self._channels, dtype), "var": np.ones(self._channels, dtype)}
        return {"w": np.ones(self._channels, dtype), "b": np.zeros(self._channels, dtype), STATISTICS: statistics}

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        w = params["w"]
        rows = x.reshape(len(x), self._channels * math.prod(x.shape[2:]))
        centred = output_for(rows, w.dtype, own)
        normalise = self._by_itself if train and rows.size else self._by_statistics
        context = normalise(params, rows, centred)
        y = empty(rows.shape, w.dtype)
        scale, shift = _repeated(y, context.scale, params["b"] - context.offset * context.scale)
        for part in parts(y):
            block = np.multiply(centred[part], scale, out=y[part])
            block += shift
        return y.reshape(x.shape), context

    def _by_itself(self, params: Tree, rows: Array, centred: Array) -> _Context:
        w, channels = params["w"], self._channels
        count = rows.size // channels
        totals, sums, squares = np.zeros((3, rows.shape[1]))
        for part in parts(rows):
            totals += column_sums(rows[part])
        about = (_by_channel(totals, channels) / count).astype(np.promote_types(rows.dtype, w.dtype))
        mean = np.repeat(about, rows.shape[1] // channels)
        for part in parts(centred):
            block = np.subtract(rows[part], mean, out=centred[part])
            sums += column_sums(block)
            squares += column_products(block, block)
        # A large mean was rounded: the offset that is left is no part of the variance.
        offset = _by_channel(sums, channels) / count
        var = np.maximum(_by_channel(squares, channels) / count - offset**2, 0)
        unbiased = var * (count / max(1, count - 1))
        most = np.finfo(w.dtype).max
        shown = {"mean": (about + offset).astype(w.dtype), "var": np.minimum(unbiased, most).astype(w.dtype)}
        return _Context(w, centred, offset, 1 / np.sqrt(var + self.eps), shown, itself=True)

    def _by_statistics(self, params: Tree, rows: Array, centred: Array) -> _Context:
        shown = params[STATISTICS]
        (mean,) = _repeated(centred, shown["mean"])
        np.subtract(rows, mean, out=centred)
        inverse = 1 / np.sqrt(shown["var"].astype(np.float64) + self.eps)
        return _Context(params["w"], centred, np.zeros(self._channels), inverse, shown, itself=False)

    def backward(self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False) -> Gradients:
        w, centred = context.w, context.centred
        rows = dy.reshape(centred.shape)
        sums, products = np.zeros((2, rows.shape[1]))
        for part in parts(centred):
            sums += column_sums(rows[part])
            products += column_products(rows[part], centred[part])
        db = _by_channel(sums, len(w))
        dw = (_by_channel(products, len(w)) - context.offset * db) * context.inverse
        grads = {"w": dw.astype(w.dtype), "b": db.astype(w.dtype), STATISTICS: context.shown}
        if not need_dx:
            return None, grads
        dx = output_for(rows, w.dtype, own)
        if context.itself:
            _through_statistics(context, rows, dw, db, dx)
        else:
            (scale,) = _repeated(dx, context.scale)
            np.multiply(rows, scale, out=dx)
        return dx.reshape(dy.shape), grads

    def rebind(self, context: Context, params: Tree) -> Context:
        return context._replace(w=params["w"])

    @property
    def observes(self) -> bool:
        return True

    def multiply_adds(self, shape: Shape | None) -> int:
        shape = merged(shape, self.input_shape)
        return OPERATIONS * math.prod(shape) if is_full(shape) else 0

    def advance(self, params: Tree, grads: Tree) -> Tree:
        kept, shown = params[STATISTICS], grads[STATISTICS]
        if shown is kept:  # by a batch without samples
            return params
        share = self.momentum
        moved = {name: share * old + (1 - share) * shown[name] for name, old in kept.items()}
        return {**params, STATISTICS: moved}


def _through_statistics(context: _Context, dy: Array, dw: Array, db: Array, dx: Array) -> None:
    """Write `(dy - mean(dy) - x_normalised * mean(dy * x_normalised)) * scale` into `dx`, which may be `dy`."""
    slope = context.inverse * dw / context.numbers
    level = db / context.numbers - slope * context.offset
    slope, level, scale = _repeated(dx, slope, level, context.scale)
    buffer: Array | None = None
    for part in parts(dx):
        centred = context.centred[part]
        buffer = empty(centred.shape, dx.dtype) if buffer is None else buffer[: len(centred)]
        np.multiply(centred, slope, out=buffer)
        np.add(buffer, level, out=buffer)
        block = np.subtract(dy[part], buffer, out=dx[part])
        block *= scale


def _by_channel(columns: Array, channels: int) -> Array:
    """`(channels * positions,)` float64 to the sum of each channel."""
    grouped = columns.reshape(channels, -1)
    sums: Array = grouped @ np.ones(grouped.shape[1])
    return sums


def _repeated(rows: Array, *values: Array) -> tuple[Array, ...]:
    """For each column of `rows` its channel's value, in the dtype of `rows`."""
    return tuple(np.repeat(its.astype(rows.dtype), rows.shape[1] // len(its)) for its in values)
