"""The base of the affine layers: sizes, initial parameters, shapes that fit."""

import numpy as np
from numpy.typing import DTypeLike

from akkordeon_dask._numbers import keep_flag, keep_int
from akkordeon_dask._repr import shape_text
from akkordeon_dask.errors import ShapeError
from akkordeon_dask.nn._initializers import Initializer, check_initializer
from akkordeon_dask.nn._layer import Shape
from akkordeon_dask.nn._shapes import agree
from akkordeon_dask.nn._split_layer import SplitLayer
from akkordeon_dask.tree import Tree

__all__ = ["Affine"]


class Affine(SplitLayer):
    """A layer with `w : (in_features, out_features)` and, where `bias` is set, `b : (out_features,)`.

    A subclass is a dataclass with these fields, in the order of its own signature.
    """

    in_features: int
    out_features: int
    bias: bool
    initializer: Initializer

    def __post_init__(self) -> None:
        for name in ("in_features", "out_features"):
            keep_int(self, name, 1)
        keep_flag(self, "bias")
        check_initializer(self, self.initializer)

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Tree:
        params = {"w": self.initializer(rng, (self.in_features, self.out_features), dtype)}
        if self.bias:
            params["b"] = np.zeros(self.out_features, dtype)
        return params

    @property
    def parameter_count(self) -> int:
        return (self.in_features + self.bias) * self.out_features

    @property
    def input_shape(self) -> Shape | None:
        return (self.in_features,)

    def output_shape(self, shape: Shape | None) -> Shape | None:
        if shape is not None and not agree(shape, (self.in_features,)):
            hint = ": put nn.Flatten() in front of it" if len(shape) > 1 else ""
            raise ShapeError(f"{self!r} takes {self.in_features} features, not {_said(shape)}{hint}")
        return (self.out_features,)

    def multiply_adds(self, shape: Shape | None) -> int:
        return self.in_features * self.out_features


def _said(shape: Shape) -> str:
    return str(shape[0]) if len(shape) == 1 else f"samples of shape {shape_text(shape)}"
