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
    """A frozen value that makes the first weights of a layer. It is called with `(rng, shape, dtype)`.

    A subclass is a frozen dataclass (`@dataclass(frozen=True, repr=False)`) that overrides `__call__`.

    Shapes
    ------
    shape : (fan_in, fan_out), the inputs and outputs of a unit; the array has this shape and the dtype

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> @dataclass(frozen=True, repr=False)
    ... class Ones(nn.Initializer):
    ...     def __call__(self, rng, shape, dtype=np.float32):
    ...         return np.ones(shape, dtype)
    >>> nn.Linear(2, 1, initializer=Ones()).init(np.random.default_rng(0))["w"].tolist()
    [[1.0], [1.0]]
    """

    namespace: ClassVar[str] = "nn."

    @abstractmethod
    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        """A new array of `shape` and `dtype`.

        Parameters
        ----------
        rng
            the generator that numbers are drawn from.
        shape
            `(fan_in, fan_out)`.
        dtype
            of the array, floating point.
        """


@dataclass(frozen=True, repr=False)
class HeNormal(Initializer):
    """Normal with a standard deviation of `sqrt(2 / fan_in)`, which keeps the variance of activations behind a ReLU.

    He, Zhang, Ren, Sun, 'Delving Deep into Rectifiers: Surpassing Human-Level Performance on
    ImageNet Classification', arXiv 1502.01852, 2015.

    Shapes
    ------
    shape : (fan_in, fan_out); the array has this shape and the dtype

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> round(float(nn.HeNormal()(np.random.default_rng(0), (200, 100)).std()), 2)
    0.1
    """

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        scale = math.sqrt(2 / shape[0])
        return _drawn(lambda count: rng.standard_normal(count) * scale, shape, dtype)


@dataclass(frozen=True, repr=False)
class GlorotUniform(Initializer):
    """Uniform between `-a` and `a`, with `a = sqrt(6 / (fan_in + fan_out))`: for tanh and sigmoid.

    The `fan_out` of a convolution is here the number of its channels, as in the shape, where PyTorch takes that times
    the area of the window: `a` is larger.

    Glorot, Bengio, 'Understanding the difficulty of training deep feedforward neural networks',
    AISTATS 2010.

    Shapes
    ------
    shape : (fan_in, fan_out); the array has this shape and the dtype

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> w = nn.GlorotUniform()(np.random.default_rng(0), (2, 4))
    >>> w.shape, bool(np.abs(w).max() <= 1)
    ((2, 4), True)
    """

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        bound = math.sqrt(6 / (shape[0] + shape[-1]))
        return _drawn(lambda count: rng.uniform(-bound, bound, count), shape, dtype)


@dataclass(frozen=True, repr=False)
class Normal(Initializer):
    """Normal with mean 0 and a given standard deviation, whatever the shape.

    Parameters
    ----------
    std
        the standard deviation, at least 0.

    Shapes
    ------
    shape : any; the array has this shape and the dtype

    Raises
    ------
    SpecError
        when `std` is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> round(float(nn.Normal(0.5)(np.random.default_rng(0), (100, 100)).std()), 1)
    0.5
    """

    std: float = 0.01

    def __post_init__(self) -> None:
        keep_number(self, "std", least=0)

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        return _drawn(lambda count: rng.standard_normal(count) * self.std, shape, dtype)


@dataclass(frozen=True, repr=False)
class Zeros(Initializer):
    """Zeros for all weights, as a last layer may begin with.

    Shapes
    ------
    shape : any; the array has this shape and the dtype

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.Linear(2, 1, initializer=nn.Zeros()).init(np.random.default_rng(0))["w"].tolist()
    [[0.0], [0.0]]
    """

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
