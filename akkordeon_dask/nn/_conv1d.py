"""Convolution of sequences."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import DTypeLike

from akkordeon_dask._numbers import keep_flag, keep_int
from akkordeon_dask._repr import shape_text
from akkordeon_dask.errors import ShapeError, SpecError
from akkordeon_dask.nn._conv2d import Conv2d, check_groups
from akkordeon_dask.nn._initializers import HeNormal, Initializer, check_initializer
from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context, Shape
from akkordeon_dask.nn._linear import LinearContext
from akkordeon_dask.nn._padding import Margin, check_side
from akkordeon_dask.nn._shapes import agree, is_full
from akkordeon_dask.nn._split_layer import SplitLayer
from akkordeon_dask.tree import Array, Tree

__all__ = ["Conv1d"]


@dataclass(frozen=True, repr=False)
class Conv1d(SplitLayer):
    """Cross-correlation of sequences with learned windows, channels first: `nn.Conv2d` of images with one row.

    Parameters
    ----------
    in_channels, out_channels
        of the sequences in front and behind, at least 1.
    kernel_size, stride, dilation
        of the window, in steps, at least 1.
    padding
        zeros around the sequence, in steps: a number for both ends, a pair (before, behind), or `"same"`, as for
        `nn.Conv2d`.
        `padding=(dilation * (kernel_size - 1), 0)` makes the layer causal: a step sees itself and former ones.
    groups, bias, initializer
        as for `nn.Conv2d`.

    Shapes
    ------
    x : (batch, in_channels, steps) float; y : (batch, out_channels, steps_out);
    w : (out_channels, in_channels / groups, kernel_size); b : (out_channels,);
    steps_out = (steps + before + behind - dilation * (kernel_size - 1) - 1) // stride + 1

    Raises
    ------
    SpecError
        when a parameter is out of its range, or the groups do not divide the channels.
    ShapeError
        by `output_shape`, when samples are no sequences of `in_channels`, or shorter than the window.

    Examples
    --------
    >>> from akkordeon_dask import nn
    >>> nn.Conv1d(2, 8, 3, padding="same").output_shape((2, 100))
    (8, 100)
    """

    draws: ClassVar[bool] = False

    in_channels: int
    out_channels: int
    kernel_size: int
    stride: int = 1
    padding: int | Margin | Literal["same"] = 0
    dilation: int = 1
    groups: int = 1
    bias: bool = True
    initializer: Initializer = HeNormal()

    def __post_init__(self) -> None:
        for name in ("in_channels", "out_channels", "kernel_size", "stride", "dilation", "groups"):
            keep_int(self, name, 1)
        keep_flag(self, "bias")
        if not isinstance(self.padding, str):
            object.__setattr__(self, "padding", check_side(self, self.padding))
        elif self.padding != "same":
            raise SpecError(f"{self!r}: padding is a whole number, a pair of such, or 'same', not {self.padding!r}")
        check_groups(self)
        check_initializer(self, self.initializer)

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Tree:
        params = _of_images(self).init(rng, dtype)
        return {**params, "w": params["w"][:, :, 0]}

    @property
    def parameter_count(self) -> int:
        return _of_images(self).parameter_count

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        y, _ = _of_images(self).forward(_wide(params), x[:, :, np.newaxis])
        return y[:, :, 0], LinearContext(params, x)

    def input_gradient(self, context: Context, dy: Array, *, own: bool = False) -> Array:
        return _of_images(self).input_gradient(_widened(context), dy[:, :, np.newaxis])[:, :, 0]

    def parameter_gradients(self, context: Context, dy: Array) -> Tree:
        grads = _of_images(self).parameter_gradients(_widened(context), dy[:, :, np.newaxis])
        return {**grads, "w": grads["w"][:, :, 0]}

    def rebind(self, context: Context, params: Tree) -> Context:
        return LinearContext(params, context.x)

    @property
    def input_shape(self) -> Shape:
        return self.in_channels, None

    def output_shape(self, shape: Shape | None) -> Shape | None:
        if shape is None:
            return self.out_channels, None
        if len(shape) != 2:
            hint = f"put nn.Reshape((channels, steps)) in front of it, samples have shape {shape_text(shape)}"
            raise ShapeError(f"{self!r} takes sequences of (channels, steps): {hint}")
        if not agree(shape, self.input_shape):
            raise ShapeError(f"{self!r} takes {self.in_channels} channels, not {shape[0]} (of {shape_text(shape)})")
        return self.out_channels, self._steps(shape[1])

    def _steps(self, steps: int | None) -> int | None:
        try:
            found = _of_images(self).output_shape((self.in_channels, 1, steps))
        except ShapeError:
            raise ShapeError(f"{self!r} has a window that is larger than {steps} steps with their padding") from None
        return None if found is None else found[2]

    def multiply_adds(self, shape: Shape | None) -> int:
        return _of_images(self).multiply_adds((shape[0], 1, shape[1])) if is_full(shape) else 0


@lru_cache(maxsize=256)
def _of_images(layer: Conv1d) -> Conv2d:
    """The layer for images with one row."""
    padding: Any = "same" if layer.padding == "same" else (0, layer.padding)
    window, stride, dilation = ((1, n) for n in (layer.kernel_size, layer.stride, layer.dilation))
    channels = layer.in_channels, layer.out_channels
    return Conv2d(*channels, window, stride, padding, dilation, layer.groups, layer.bias, layer.initializer)


def _wide(params: Tree) -> Tree:
    return {**params, "w": params["w"][:, :, np.newaxis]}


def _widened(context: LinearContext) -> LinearContext:
    return LinearContext(_wide(context.params), context.x[:, :, np.newaxis])
