"""Lower learning rates when training does not improve any more."""

from dataclasses import dataclass, field

from akkordeon_dask._numbers import keep_int, keep_number
from akkordeon_dask.callbacks._callback import Training
from akkordeon_dask.callbacks._monitored import Direction, Monitored
from akkordeon_dask.messages import PassReport

__all__ = ["ReduceLROnPlateau"]


@dataclass(eq=False, repr=False)
class ReduceLROnPlateau(Monitored):
    """A callback that lowers the learning rates of all gates when a figure has not improved for some passes.

    It multiplies them with a factor, and so what schedules say. Snapshots have the rate: a gate that is restarted from
    one that is older than a reduction goes on without that.

    Parameters
    ----------
    monitor
        the figure: `"validate0.loss"`.
    factor
        of a reduction, in (0, 1).
    patience
        passes in a row without an improvement before a reduction, at least 1.
    cooldown
        passes after a reduction that do not count, at least 0.
    min_factor
        learning rates never fall below this share of their own, in [0, 1), in one `wait` or in several.
    min_delta, mode
        as for `Monitored`.

    Raises
    ------
    SpecError
        when a parameter is out of its range; by `check`, when no pass reports the figure.

    Examples
    --------
    >>> ReduceLROnPlateau("validate0.loss", factor=0.5, patience=3)
    callbacks.ReduceLROnPlateau('validate0.loss', factor=0.5, patience=3)
    """

    monitor: str
    min_delta: float = field(default=0.0, kw_only=True)
    mode: Direction = field(default="auto", kw_only=True)
    factor: float = field(default=0.1, kw_only=True)
    patience: int = field(default=10, kw_only=True)
    cooldown: int = field(default=0, kw_only=True)
    min_factor: float = field(default=0.0, kw_only=True)
    rate: float = field(default=1.0, init=False, repr=False)
    """The product of the reductions in this `wait`."""
    _waited: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_number(self, "factor", above=0, below=1)
        keep_int(self, "patience", 1)
        keep_int(self, "cooldown", 0)
        keep_number(self, "min_factor", least=0, below=1)

    def begin(self) -> None:
        super().begin()
        self.rate, self._waited = 1.0, 0

    async def on_pass(self, report: PassReport, training: Training) -> None:
        if (value := self.value(report)) is None:
            return
        self._waited += 1  # below 0 it cools down
        if self.improves(value, training) and self._waited > 0:
            self._waited = 0
        if self._waited >= self.patience and self.rate > self.min_factor:
            self.rate = max(self.rate * self.factor, self.min_factor)
            self._waited = -self.cooldown
            await training.slow(self.factor, self.min_factor)
