"""Initial weights."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from akkordeon_dask._numbers import keep_number
from akkordeon_dask._repr import Written
from akkordeon_dask.errors import SpecError
from akkordeon_dask.tree import Array

__all__ = ["GlorotUniform", "HeNormal", "Initializer", "Normal", "Zeros", "check_initializer"]

_AT_A_TIME = 1 << 16
"""Numbers."""


@dataclass(frozen=True, repr=False)
class Initializer(Written, ABC):
    """A frozen value that is called with `(rng, shape, dtype)`; `shape` is `(fan_in, fan_out)`."""

    namespace: ClassVar[str] = "nn."

    @abstractmethod
    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        """A new array of `shape` and `dtype`."""


@dataclass(frozen=True, repr=False)
class HeNormal(Initializer):
    """Normal with deviation `sqrt(2 / fan_in)`: keeps the variance of activations behind a ReLU.

    He, Zhang, Ren, Sun, 'Delving Deep into Rectifiers: Surpassing Human-Level Performance on
    ImageNet Classification', arXiv 1502.01852, 2015.
    """

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        scale = math.sqrt(2 / shape[0])
        return _drawn(lambda count: rng.standard_normal(count) * scale, shape, dtype)


@dataclass(frozen=True, repr=False)
class GlorotUniform(Initializer):
    """Uniform within `sqrt(6 / (fan_in + fan_out))`: for tanh and sigmoid.

    Glorot, Bengio, 'Understanding the difficulty of training deep feedforward neural networks',
    AISTATS 2010.
    """

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        bound = math.sqrt(6 / (shape[0] + shape[-1]))
        return _drawn(lambda count: rng.uniform(-bound, bound, count), shape, dtype)


@dataclass(frozen=True, repr=False)
class Normal(Initializer):
    """Normal with a given standard deviation."""

    std: float = 0.01

    def __post_init__(self) -> None:
        keep_number(self, "std", least=0)

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        return _drawn(lambda count: rng.standard_normal(count) * self.std, shape, dtype)


@dataclass(frozen=True, repr=False)
class Zeros(Initializer):
    """All zeros."""

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        return np.zeros(shape, dtype)


def _drawn(draw: Callable[[int], Array], shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """An array of numbers that are drawn as float64, some at a time: all of them would be several times its size."""
    array = np.empty(shape, dtype)
    flat = array.reshape(-1)
    for begin in range(0, flat.size, _AT_A_TIME):
        part = flat[begin : begin + _AT_A_TIME]
        part[...] = draw(part.size)
    return array


def check_initializer(layer: object, value: Any) -> None:
    """Check that the initializer of a layer is one.

    Raises
    ------
    SpecError
        when it is not.
    """
    if not isinstance(value, Initializer):
        raise SpecError(f"{layer!r}: an initializer is an nn.Initializer, e.g. nn.Zeros(), not {value!r}")
