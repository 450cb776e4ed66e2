"""Losses and scores that the weights of samples reach."""

from akkordeon_dask.errors import SpecError
from akkordeon_dask.network._sentinel import Sentinel
from akkordeon_dask.nn import Loss, Score

__all__ = ["check_weighable"]


def check_weighable(sentinel: Sentinel) -> None:
    """SpecError where the loss or a score cannot take the weights of samples."""
    if sentinel.mode == "predict":
        return
    functions: tuple[Loss | Score, ...] = (sentinel.loss, *sentinel.scores)
    for function in functions:
        if not function.takes_weights:
            verb = "__call__" if isinstance(function, Loss) else "update"
            raise SpecError(
                f"{sentinel.provider!r} gives sample weights, and {function!r} takes none: give its {verb} an argument "
                "weights=None, (batch,) float64, or give batches (x, y)"
            )
