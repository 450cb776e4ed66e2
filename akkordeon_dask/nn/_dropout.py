"""Dropout of units."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask._numbers import keep_number
from akkordeon_dask.memory import empty_like
from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context, Gradients, Layer
from akkordeon_dask.nn._masks import draw_mask, need_key
from akkordeon_dask.tree import Array, Tree

__all__ = ["Dropout"]


@dataclass(frozen=True, repr=False)
class Dropout(Layer):
    """In training each unit becomes 0 with probability `rate`; otherwise `y` is `x` itself.

    Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, 'Dropout: A Simple Way to Prevent Neural
    Networks from Overfitting', JMLR 15, 2014. Inverted, unlike the paper: kept units are scaled up by
    `1 / (1 - rate)` in training, so nothing is scaled at inference.

    Parameters
    ----------
    rate
        the share that is dropped, in [0, 1). Rounded to a multiple of 1/65536: a unit takes 16 random bits.

    Shapes
    ------
    x, y : (batch, ...) float

    Raises
    ------
    SpecError
        when the rate is out of its range; by `forward`, when it trains without a key.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.Dropout(0.5).forward((), np.ones((1, 4)), train=False)[0]
    array([[1., 1., 1., 1.]])
    """

    views: ClassVar[bool] = True

    rate: float

    def __post_init__(self) -> None:
        keep_number(self, "rate", least=0, below=1)

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        if not train or self.rate == 0:
            return x, None
        mask = draw_mask(need_key(self, key).generator(), x.shape, self.rate, x.dtype)
        return np.multiply(x, mask, out=x if own else empty_like(x)), mask

    def backward(self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False) -> Gradients:
        if not need_dx:
            return None, {}
        if context is None:
            return dy, {}
        return np.multiply(dy, context, out=dy if own else empty_like(dy)), {}
