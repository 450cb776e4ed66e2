"""The base class of callbacks, and what they may do with the network."""

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from akkordeon_dask.messages import PassReport
from akkordeon_dask.tree import Tree

__all__ = ["Callback", "Training", "Weights"]

Weights: TypeAlias = Mapping[str, Tree]
"""The parameters of each gate, by its name. Never written into."""


class Training(Protocol):
    """A network that trains, as callbacks see it. All its methods run on the client's event loop.

    Examples
    --------
    A callback that writes the weights of the best validation, and halves the learning rates after any other:

    >>> from akkordeon_dask.callbacks import Callback
    >>> class Halve(Callback):
    ...     best = float("inf")
    ...
    ...     async def on_pass(self, report, training):
    ...         if report.mode == "validate" and report.loss > self.best:
    ...             await training.slow(0.5)
    ...         elif report.mode == "validate":
    ...             self.best = report.loss
    ...             await training.save(await training.weights(report), "best.safetensors")
    """

    def figures(self) -> Mapping[str, bool]:
        """The figures that passes report, `"validate0.loss"`, and whether greater ones are better."""

    async def stop(self, reason: str) -> None:
        """Let all training sentinels of this client rest when the epoch that they are in has ended.

        Parameters
        ----------
        reason
            for the network's events.
        """

    async def weights(self, report: PassReport) -> Weights:
        """The weights that a pass has rated, if it was a validation and is not long over; else those of this moment.

        Those of this moment are a consistent cut: all gates' at one moment, between two batches. While a training
        sentinel waits for a `Sentinel.validate(every="epoch")` they are those that its pass rates, but for averages of
        `optim.EMA`, which only a pass has.

        Parameters
        ----------
        report
            of the pass.
        """

    async def restore(self, weights: Weights) -> None:
        """Go on with other weights; optimizers begin anew."""

    async def save(self, weights: Weights, path: str) -> None:
        """Write weights to a safetensors file, a path or fsspec URL, for `Running.load`."""

    async def slow(self, factor: float, least: float = 0.0) -> None:
        """Go on with the learning rates of all gates times `factor`.

        Parameters
        ----------
        factor
            above 0.
        least
            a share of what the optimizer says: rates do not fall below it, whoever has slowed them before.
        """


class Callback:
    """A reaction to finished passes. Its methods run on the client's event loop: they must not block.

    A training sentinel whose epochs are validated (`Sentinel.validate(every="epoch")`) begins the next one when all
    callbacks have returned. Others go on meanwhile.

    Examples
    --------
    >>> class StopWhenGood(Callback):
    ...     async def on_pass(self, report, training):
    ...         if report.scores.get("accuracy", 0.0) > 0.99:
    ...             await training.stop("it is good enough")
    """

    def begin(self) -> None:
        """Forget all passes: `wait`, or `add_callback`, takes the callback."""

    def check(self, figures: Mapping[str, bool]) -> None:
        """Raise an error where the figures of the network's passes, by name, do not suit the callback."""

    async def on_pass(self, report: PassReport, training: Training) -> None:
        """React to a finished pass, of whichever sentinel. An error is raised by `wait`."""
        raise NotImplementedError

    async def on_end(self, training: Training) -> None:
        """React to the end of a `wait`: no sentinel that it waits for trains any more."""
