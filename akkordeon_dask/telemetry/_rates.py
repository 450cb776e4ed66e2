"""Rates, from totals that are told now and then."""

from dataclasses import MISSING, fields
from typing import Any, Generic, TypeVar

from akkordeon_dask.messages import GateMetrics, Metrics, PassProgress, SentinelMetrics

__all__ = ["GateRates", "RateTracker", "SentinelRates", "gate_metrics", "sentinel_metrics"]

F = TypeVar("F", bound=Metrics)

_HELD = 10.0


class RateTracker(Generic[F]):
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
        self.metrics, self.worker, self.address = figures, worker, address
        self.heard = now
        self.is_reported = True
        """Its worker tells of it."""
        self._rates: dict[str, float] = {}

    def update(self, figures: F, worker: str, address: str, now: float) -> None:
        """Go on with newer figures; those of another actor of the same name begin anew."""
        before, self.metrics = self.metrics, figures
        self.worker, self.address, self.is_reported = worker, address, True
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
        if not self.is_reported or now - self.heard > _HELD:
            return float("nan")
        return self._rates.get(name, float("nan"))


class GateRates(RateTracker[GateMetrics]):
    """A gate."""

    totals = ("forwards", "backwards", "evaluated", "updates", "busy", "nbytes_in", "nbytes_out")


class SentinelRates(RateTracker[SentinelMetrics]):
    """A sentinel; `number` is its own among all of the network, `rank` among those of its mode."""

    totals = ("samples", "busy", "lost", "resent")
    number = rank = 0


def gate_metrics(told: dict[str, Any]) -> GateMetrics:
    """The figures of a gate as they come with a heartbeat."""
    delays = tuple((int(delay), int(count)) for delay, count in told["delays"])
    return GateMetrics(**{**_known(GateMetrics, told), "delays": delays})


def sentinel_metrics(told: dict[str, Any]) -> SentinelMetrics:
    """The figures of a sentinel as they come with a heartbeat."""
    progress = told.get("progress")
    return SentinelMetrics(**{**_known(SentinelMetrics, told), "progress": progress and PassProgress(**progress)})


def _known(kind: type[Any], told: dict[str, Any]) -> dict[str, Any]:
    return {field.name: told[field.name] for field in fields(kind) if field.name in told or field.default is MISSING}
