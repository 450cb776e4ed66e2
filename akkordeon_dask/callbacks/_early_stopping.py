"""Stop training that does not improve any more."""

from dataclasses import dataclass, field

from akkordeon_dask._numbers import keep_flag, keep_int
from akkordeon_dask.callbacks._callback import Training, Weights
from akkordeon_dask.callbacks._monitored import Direction, Monitored
from akkordeon_dask.messages import PassReport

__all__ = ["EarlyStopping"]


@dataclass(eq=False, repr=False)
class EarlyStopping(Monitored):
    """A callback that ends training when a figure has not improved for some passes.

    The network goes back to the best weights then.

    Prechelt, 'Early Stopping - But When?', Neural Networks: Tricks of the Trade, 1998.

    All training sentinels of this client rest when the epoch that they are in has ended. With
    `Sentinel.validate(every="epoch")` that is the rated one: no batch is trained on after it.

    Parameters
    ----------
    monitor
        the figure: `"validate0.loss"`.
    patience
        passes in a row without an improvement, at least 1, after which training ends.
    restore_best
        at the end, also where it did not come early, the network gets the weights of the best pass: those that it has
        rated, see `Training.weights`. This client keeps a copy of them. Optimizers begin anew. Only one callback may.
    min_delta, mode
        as for `Monitored`.

    Raises
    ------
    SpecError
        when a parameter is out of its range; by `check`, when no pass reports the figure.

    Examples
    --------
    >>> EarlyStopping("validate0.accuracy", patience=3)
    callbacks.EarlyStopping('validate0.accuracy', patience=3)
    """

    monitor: str
    min_delta: float = field(default=0.0, kw_only=True)
    mode: Direction = field(default="auto", kw_only=True)
    patience: int = field(default=5, kw_only=True)
    restore_best: bool = field(default=True, kw_only=True)
    stopped: int | None = field(default=None, init=False, repr=False)
    """The number of the pass that ended training; None: none did."""
    best_pass: int | None = field(default=None, init=False, repr=False)
    """The number of the best pass."""
    _waited: int = field(default=0, init=False, repr=False)
    _weights: Weights | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_int(self, "patience", 1)
        keep_flag(self, "restore_best")

    def begin(self) -> None:
        super().begin()
        self.stopped = self.best_pass = self._weights = None
        self._waited = 0

    async def on_pass(self, report: PassReport, training: Training) -> None:
        if (value := self.value(report)) is None:
            return
        if self.improves(value, training):
            self.best_pass, self._waited = report.epoch, 0
            if self.restore_best:
                self._weights = await training.weights(report)
            return
        self._waited += 1
        if self._waited >= self.patience and self.stopped is None:
            self.stopped = report.epoch
            last = f"{self.patience} passes" if self.patience > 1 else "a pass"
            await training.stop(f"{self.monitor} has not improved on {self.best:g} for {last}")

    async def on_end(self, training: Training) -> None:
        weights, self._weights = self._weights, None
        if weights is not None:
            await training.restore(weights)
