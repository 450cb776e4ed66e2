"""Steps of orthogonal matrices."""

import math
from dataclasses import dataclass

import numpy as np

from akkordeon_dask._numbers import keep_int, keep_number
from akkordeon_dask.memory import empty, empty_like
from akkordeon_dask.optim._array_optimizer import ArrayOptimizer
from akkordeon_dask.tree import Array

__all__ = ["Muon"]

_A, _B, _C = 3.4445, -4.7750, 2.0315
_LEAST = 1e-7
"""The length of the matrix that is orthogonalised, at least: one that fades away becomes 0, not a step of full size."""


@dataclass(frozen=True, repr=False)
class Muon(ArrayOptimizer):
    """`v' = momentum * v + g; w' = w - lr * max(1, out / in)**0.5 * U`, for matrices and filters.

    `U` is near the orthogonal matrix that is nearest to `g + momentum * v'`: `iterations` of Newton and Schulz's
    `x' = a x + (b y + c y y) x`, `y = x x^T`, with `a, b, c = 3.4445, -4.775, 2.0315`. A filter is a matrix with a row
    for each output. So all directions of a matrix are learnt alike fast. Biases and scales, which are no matrices, have
    the step of `SGD(vector_rate * lr, momentum, nesterov=True)`. Arrays are told apart by their axes: of a module of
    PyTorch, whose matrices have a row for each output, `out` and `in` change places in the factor; a scale of several
    axes, as of `LayerNorm((6, 4, 4))`, is a filter.

    Jordan et al., 'Muon: An optimizer for hidden layers in neural networks', kellerjordan.github.io/posts/muon, 2024.

    Parameters
    ----------
    lr
        learning rate, a number above 0 or a `Schedule`, 0.02 say.
    momentum
        share of the velocity that is kept, in [0, 1).
    iterations
        of Newton and Schulz, at least 1.
    vector_rate
        the factor of the learning rate for biases and scales, above 0.

    Raises
    ------
    SpecError
        when a parameter is out of its range.

    Examples
    --------
    >>> Muon(0.02)
    optim.Muon(0.02)
    """

    momentum: float = 0.95
    iterations: int = 5
    vector_rate: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_number(self, "momentum", least=0, below=1)
        keep_int(self, "iterations", 1)
        keep_number(self, "vector_rate", above=0)

    def slots(self, w: Array) -> tuple[Array, ...]:
        return (np.zeros_like(w),)

    def step(
        self, w: Array, g: Array, slots: tuple[Array, ...], *, lr: float, count: int, stale: Array
    ) -> tuple[Array, tuple[Array, ...]]:
        v = np.multiply(slots[0], self.momentum, out=empty_like(w))
        v += g
        new = np.multiply(v, self.momentum, out=empty_like(w))
        new += g
        if w.ndim < 2 or not w.size:
            new *= -lr * self.vector_rate
        else:
            # A matrix of ours has a column for each output, a filter an axis in front.
            matrix = new if w.ndim == 2 else new.reshape(len(w), -1)
            inputs, outputs = matrix.shape if w.ndim == 2 else matrix.shape[::-1]
            _orthogonalise(matrix, self.iterations)
            new *= -lr * math.sqrt(max(1.0, outputs / inputs))
        new += w
        return new, (v,)


def _orthogonalise(matrix: Array, iterations: int) -> None:
    """Make all singular values near 1, in place."""
    matrix *= 1 / max(float(np.linalg.norm(matrix)), _LEAST)
    x = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    rows = len(x)
    y, z = (empty((rows, rows), x.dtype) for _ in range(2))
    product = empty(x.shape, x.dtype)
    for _ in range(iterations):
        np.matmul(x, x.T, out=y)
        np.matmul(y, y, out=z)
        z *= _C
        y *= _B
        z += y
        np.matmul(z, x, out=product)
        x *= _A
        x += product
