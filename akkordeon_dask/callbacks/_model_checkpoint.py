"""Write weights to files while the network trains."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from akkordeon_dask._files import expand
from akkordeon_dask._numbers import keep_flag
from akkordeon_dask.callbacks._callback import Training
from akkordeon_dask.callbacks._monitored import Direction, Monitored
from akkordeon_dask.errors import SpecError
from akkordeon_dask.messages import PassReport

__all__ = ["ModelCheckpoint"]


@dataclass(eq=False, repr=False)
class ModelCheckpoint(Monitored):
    """A callback that writes the weights that a pass has rated.

    It does so after each pass that reports a figure, or only after the best ones. `Running.load` reads the file. For
    going on after a failure, with optimizers and positions, there are snapshots.

    Parameters
    ----------
    path
        of a safetensors file, or an fsspec URL. `{epoch}`, `{loss}` and the names of scores are filled in, as by
        `str.format`: `"best-{epoch:03d}-{accuracy:.3f}.safetensors"`.
    monitor
        the figure: `"validate0.loss"`.
    save_best_only
        a file is written, or replaced, only when the figure has improved.
    min_delta, mode
        as for `Monitored`.

    Raises
    ------
    SpecError
        when a parameter is out of its range; by `check`, when no pass reports the figure, or one in the path.

    Examples
    --------
    >>> ModelCheckpoint("best.safetensors", "validate0.loss", save_best_only=True)
    callbacks.ModelCheckpoint('best.safetensors', 'validate0.loss', save_best_only=True)
    """

    path: str
    monitor: str
    save_best_only: bool = False
    min_delta: float = field(default=0.0, kw_only=True)
    mode: Direction = field(default="auto", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_flag(self, "save_best_only")
        self.path = expand("ModelCheckpoint", self.path)

    def check(self, figures: Mapping[str, bool]) -> None:
        """Check that the figure is there, and those in the path.

        Raises
        ------
        SpecError
            when one is not: lists those there are.
        """
        super().check(figures)
        sentinel = f"{self.monitor.rpartition('.')[0]}."
        self._target(1, {name.removeprefix(sentinel): 1.0 for name in figures if name.startswith(sentinel)})

    async def on_pass(self, report: PassReport, training: Training) -> None:
        if (value := self.value(report)) is None:
            return
        if self.improves(value, training) or not self.save_best_only:
            await training.save(
                await training.weights(report), self._target(report.epoch, {"loss": report.loss, **report.scores})
            )

    def _target(self, epoch: int, figures: Mapping[str, float]) -> str:
        try:
            return self.path.format(epoch=epoch, **figures)
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            known = ", ".join(("epoch", *figures))
            raise SpecError(f"{self!r}: path has a part that is none of {known}: {error!r}") from error
