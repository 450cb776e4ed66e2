"""Learning rates that follow the delay of each gradient."""

from dataclasses import dataclass

from akkordeon_dask._numbers import keep_int
from akkordeon_dask.optim._optimizer import State
from akkordeon_dask.optim._rate_wrapper import RateWrapper

__all__ = ["DelayAdaptiveRate"]


@dataclass(frozen=True, repr=False)
class DelayAdaptiveRate(RateWrapper):
    """Any optimizer, with the learning rate `lr * concurrency / max(concurrency, delay)`.

    The delay is that of each gradient, in updates; with a delay of up to `concurrency` this is the `optimizer` alone,
    bit for bit.

    Mishchenko, Bach, Even, Woodworth, 'Asynchronous SGD Beats Minibatch SGD Under Arbitrary Delays', arXiv 2206.07638,
    2022, where `concurrency` is the number of workers. With 1 it is the rule `lr / delay` of Zhang, Gupta, Lian, Liu,
    'Staleness-aware Async-SGD for Distributed Deep Learning', arXiv 1511.05950, 2015.

    Parameters
    ----------
    optimizer
        that makes the update.
    concurrency
        the delay that the learning rate was chosen for, in updates, at least 1.

    Raises
    ------
    SpecError
        when `optimizer` is no optimizer, or another parameter out of its range.

    Examples
    --------
    >>> from akkordeon_dask import optim
    >>> optim.DelayAdaptiveRate(optim.SGD(0.1), concurrency=4)
    optim.DelayAdaptiveRate(optim.SGD(0.1), concurrency=4)
    """

    concurrency: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_int(self, "concurrency", 1)

    def factor(self, state: State) -> float:
        return self.concurrency / max(self.concurrency, state.delay)
