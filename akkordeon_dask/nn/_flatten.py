"""Samples as vectors."""

from dataclasses import dataclass, field

from akkordeon_dask.nn._reshape import Reshape

__all__ = ["Flatten"]


@dataclass(frozen=True, repr=False)
class Flatten(Reshape):
    """Each sample as a vector, row by row. Nothing is copied where the input is contiguous.

    Shapes
    ------
    x : (batch, ...) of any dtype; y : (batch, features), a view of x

    Examples
    --------
    >>> from akkordeon_dask import nn
    >>> nn.Flatten().output_shape((6, 14, 14))
    (1176,)
    """

    shape: tuple[int, ...] = field(default=(-1,), init=False, repr=False)
