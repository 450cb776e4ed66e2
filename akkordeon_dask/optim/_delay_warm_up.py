"""A learning rate that begins low where gradients are late."""

from dataclasses import dataclass

from akkordeon_dask._numbers import keep_int
from akkordeon_dask.optim._optimizer import State
from akkordeon_dask.optim._rate_wrapper import RateWrapper

__all__ = ["DelayWarmUp"]


@dataclass(frozen=True, repr=False)
class DelayWarmUp(RateWrapper):
    """Any optimizer, with the learning rate `lr / max(1, delay) ** (1 - min(count / updates, 1))`.

    It is `lr / delay` at first and `lr` after `updates` updates. The delay is that of each gradient, in updates; with a
    delay of 0 or 1 this is the `optimizer` alone, bit for bit.

    Yang, Zhang, Li, Re, Aberger, De Sa, 'PipeMare: Asynchronous Pipeline Parallel DNN Training', arXiv 1910.05124,
    2019: its rule T1, there with the delay of the stage.

    Parameters
    ----------
    optimizer
        that makes the update.
    updates
        length of the warm-up, in updates, at least 1.

    Raises
    ------
    SpecError
        when `optimizer` is no optimizer, or another parameter out of its range.

    Examples
    --------
    >>> from akkordeon_dask import optim
    >>> optim.DelayWarmUp(optim.SGD(0.1), 1000)
    optim.DelayWarmUp(optim.SGD(0.1), 1000)
    """

    updates: int

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_int(self, "updates", 1)

    def factor(self, state: State) -> float:
        return float(max(1, state.delay) ** -(1 - min(state.count / self.updates, 1)))
