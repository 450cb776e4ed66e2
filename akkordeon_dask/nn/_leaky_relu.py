"""The rectifier that lets a little through."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask._numbers import keep_number
from akkordeon_dask.memory import empty_like
from akkordeon_dask.nn._function import Function
from akkordeon_dask.nn._layer import Context
from akkordeon_dask.tree import Array

__all__ = ["LeakyReLU"]


@dataclass(frozen=True, repr=False)
class LeakyReLU(Function):
    """`y = x` above 0, `slope * x` below.

    Maas, Hannun, Ng, 'Rectifier Nonlinearities Improve Neural Network Acoustic Models', ICML 2013.

    Parameters
    ----------
    slope
        the factor of inputs below 0, at least 0 and below 1.

    Shapes
    ------
    x, y : (batch, ...) float

    Raises
    ------
    SpecError
        when the slope is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.LeakyReLU(0.1).forward((), np.array([[-2.0, 3.0]]))[0]
    array([[-0.2,  3. ]])
    """

    keeps_output: ClassVar[bool] = True

    slope: float = 0.01

    def __post_init__(self) -> None:
        keep_number(self, "slope", least=0, below=1)

    def _apply(self, x: Array, own: bool) -> tuple[Array, Context]:
        y = np.multiply(x, self.slope, out=empty_like(x))
        np.maximum(x, y, out=y)
        return y, y

    def _gradient(self, context: Context, dy: Array, own: bool) -> Array:
        dx = empty_like(dy)
        np.copyto(dx, context > 0)
        np.maximum(dx, self.slope, out=dx)
        dx *= dy
        return dx
