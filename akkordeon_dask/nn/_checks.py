"""Checks of what a layer is written with."""

import math
from numbers import Real

from akkordeon_dask._notation import Written
from akkordeon_dask.errors import SpecError

__all__ = ["check_number", "check_rate"]


def check_number(value: Written, name: str) -> float:
    """The field `name` of a frozen value, which has to be a finite number; a numpy scalar becomes a Python one.

    A numpy scalar would print as `np.float64(0.5)`, which is not how it was written.

    Raises
    ------
    SpecError
        when it is not a number.
    """
    number = getattr(value, name)
    if not isinstance(number, Real) or not math.isfinite(number):
        raise SpecError(f"{value!r}: {name} is a finite number, not {number!r}")
    plain = number if isinstance(number, int) else float(number)
    object.__setattr__(value, name, plain)
    return plain


def check_rate(value: Written) -> None:
    """The field `rate` is a share that is dropped: in [0, 1).

    Raises
    ------
    SpecError
        when it is not.
    """
    if not 0 <= check_number(value, "rate") < 1:
        raise SpecError(f"{value!r}: the rate is the share that is dropped, at least 0 and below 1")
