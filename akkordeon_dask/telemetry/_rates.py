"""Rates, from totals that are reported now and then."""

from dataclasses import MISSING, fields
from typing import Any, Generic, TypeVar

from akkordeon_dask.messages import Confusion, GateMetrics, Metrics, PassProgress, SentinelMetrics

__all__ = ["SILENT", "GateRates", "RateTracker", "SentinelRates", "gate_metrics", "sentinel_metrics"]

M = TypeVar("M", bound=Metrics)

SILENT = 5.0
"""Seconds without a report after which an actor's figures are out of date."""
_INTERVALS = 3
"""Or as many of its usual intervals, where heartbeats are rare: workers of a large cluster send few."""


class RateTracker(Generic[M]):
    """An actor, as its metrics show it.

    Parameters
    ----------
    metrics
        the first.
    worker
        the name of its worker.
    address
        the address of its worker.
    now
        seconds since 1970.
    """

    totals: tuple[str, ...]
    """The totals that rates are made of."""

    def __init__(self, metrics: M, worker: str, address: str, now: float) -> None:
        self.metrics, self.worker, self.address = metrics, worker, address
        self.last_report = now
        self.is_reported = True
        """It is in the last heartbeat of its worker."""
        self._interval = 0.0
        self._rates: dict[str, float] = {}

    def update(self, metrics: M, worker: str, address: str, now: float) -> None:
        """Take newer metrics; rates begin again where they are those of another actor of the same name."""
        before, self.metrics = self.metrics, metrics
        self.worker, self.address, self.is_reported = worker, address, True
        if metrics.key != before.key:
            self._rates.clear()
            self.last_report = now
            return
        seconds = metrics.at - before.at
        if seconds > 0:
            self.last_report, self._interval = now, seconds
            self._rates = {
                name: max(0.0, (getattr(metrics, name) - getattr(before, name)) / seconds) for name in self.totals
            }

    def is_silent(self, now: float) -> bool:
        """Whether nothing new was reported for long: the actor or its worker hangs."""
        return now - self.last_report > max(SILENT, _INTERVALS * self._interval)

    def rate(self, name: str, now: float) -> float:
        """The growth of a total, a second; NaN before the second report, and when the last one is out of date."""
        if not self.is_reported or self.is_silent(now):
            return float("nan")
        return self._rates.get(name, float("nan"))


class GateRates(RateTracker[GateMetrics]):
    """A gate."""

    totals = ("forwards", "backwards", "evaluated", "updates", "busy", "nbytes_in", "nbytes_out")


class SentinelRates(RateTracker[SentinelMetrics]):
    """A sentinel; `number` is its own among all of the network, `rank` among those of its mode."""

    totals = ("samples", "busy", "lost", "resent")
    number = rank = 0


def gate_metrics(reported: dict[str, Any]) -> GateMetrics:
    """The metrics of a gate as they come with a heartbeat."""
    delays = tuple((int(delay), int(count)) for delay, count in reported["delays"])
    return GateMetrics(**{**_known(GateMetrics, reported), "delays": delays})


def sentinel_metrics(reported: dict[str, Any]) -> SentinelMetrics:
    """The metrics of a sentinel as they come with a heartbeat."""
    progress, confusion = reported.get("progress"), reported.get("confusion")
    nested = {
        "progress": progress and PassProgress(**progress),
        "confusion": confusion and Confusion.from_dict(confusion),
    }
    return SentinelMetrics(**{**_known(SentinelMetrics, reported), **nested})


def _known(kind: type[Any], reported: dict[str, Any]) -> dict[str, Any]:
    named = (field.name for field in fields(kind) if field.name in reported or field.default is MISSING)
    return {name: reported[name] for name in named}
