"""Rates, from totals that are told now and then."""

from dataclasses import MISSING, fields
from typing import Any, Generic, TypeVar

from akkordeon_dask.messages import Figures, GateFigures, PassProgress, SentinelFigures

__all__ = ["GateMeter", "Meter", "SentinelMeter", "gate_figures", "sentinel_figures"]

F = TypeVar("F", bound=Figures)

_HELD = 10.0


class Meter(Generic[F]):
    """An actor, as its figures show it.

    Parameters
    ----------
    figures
        the first.
    worker
        the name of its worker.
    address
        the address of its worker.
    now
        seconds since 1970.
    """

    totals: tuple[str, ...]
    """The totals that are measured."""

    def __init__(self, figures: F, worker: str, address: str, now: float) -> None:
        self.figures, self.worker, self.address = figures, worker, address
        self.heard = now
        self.here = True
        """Its worker tells of it."""
        self._rates: dict[str, float] = {}

    def take(self, figures: F, worker: str, address: str, now: float) -> None:
        """Go on with newer figures; those of another actor of the same name begin anew."""
        before, self.figures = self.figures, figures
        self.worker, self.address, self.here = worker, address, True
        if figures.key != before.key:
            self._rates.clear()
            self.heard = now
            return
        seconds = figures.at - before.at
        if seconds > 0:
            self.heard = now
            self._rates = {
                name: max(0.0, (getattr(figures, name) - getattr(before, name)) / seconds) for name in self.totals
            }

    def rate(self, name: str, now: float) -> float:
        """How much a total grows, a second; NaN before two figures are there, or when the last are old."""
        if not self.here or now - self.heard > _HELD:
            return float("nan")
        return self._rates.get(name, float("nan"))


class GateMeter(Meter[GateFigures]):
    """A gate."""

    totals = ("forwards", "backwards", "evaluated", "updates", "busy", "nbytes_in", "nbytes_out")


class SentinelMeter(Meter[SentinelFigures]):
    """A sentinel; `number` is its own among all of the network, `rank` among those of its mode."""

    totals = ("samples", "busy", "lost", "resent")
    number = rank = 0


def gate_figures(told: dict[str, Any]) -> GateFigures:
    """The figures of a gate as they come with a heartbeat."""
    delays = tuple((int(delay), int(count)) for delay, count in told["delays"])
    return GateFigures(**{**_known(GateFigures, told), "delays": delays})


def sentinel_figures(told: dict[str, Any]) -> SentinelFigures:
    """The figures of a sentinel as they come with a heartbeat."""
    progress = told.get("progress")
    return SentinelFigures(**{**_known(SentinelFigures, told), "progress": progress and PassProgress(**progress)})


def _known(kind: type[Any], told: dict[str, Any]) -> dict[str, Any]:
    return {field.name: told[field.name] for field in fields(kind) if field.name in told or field.default is MISSING}
