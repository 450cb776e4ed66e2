"""Prometheus metrics of a process: everything in its client's registry appears on Dask's `/metrics`."""

import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

__all__ = ["Collector", "Family", "Metric", "families", "label"]

logger = logging.getLogger(__name__)

S = TypeVar("S")


class Metric(Protocol):
    """A family of `prometheus_client`, which is imported only once there is a source."""

    name: str


class Registry(Protocol):
    """A registry of `prometheus_client`."""

    def register(self, collector: Any) -> None:
        """Add a collector; raises a ValueError where one of its names is taken."""

    def unregister(self, collector: Any) -> None:
        """Remove a collector."""


class Collector(Generic[S]):
    """A Prometheus collector for all sources of one kind in this process. Registered while at least one source exists.

    A lock guards the sources, so any thread may add, remove and collect. They are held weakly. Without
    prometheus_client nothing is collected, as in Dask.

    Parameters
    ----------
    read
        returns the families of the given sources; of none, the families without samples. Runs in the thread that
        collects.
    registry
        None: the process's own.
    """

    def __init__(self, read: Callable[[Iterable[S]], Iterable[Metric]], registry: Registry | None = None) -> None:
        self._read, self._registry = read, registry
        self._lock = threading.Lock()
        self._sources: weakref.WeakSet[S] = weakref.WeakSet()
        self._registered = False

    def add(self, source: S) -> None:
        """Collect from this source."""
        with self._lock:
            self._sources.add(source)
            self._registered = self._registered or self._register()

    def remove(self, source: S) -> None:
        """Collect from this source no longer. Does nothing for an unknown source."""
        with self._lock:
            self._sources.discard(source)
            if self._registered and not self._sources:
                assert self._registry is not None
                self._registry.unregister(self)
                self._registered = False

    def _register(self) -> bool:
        try:
            from prometheus_client import REGISTRY
        except ModuleNotFoundError:
            return False
        registry: Registry = REGISTRY if self._registry is None else self._registry
        self._registry = registry
        try:
            registry.register(self)
        except ValueError as error:
            logger.warning("no akkordeon_* on /metrics, training works without: %s", error)
            return False
        return True

    def describe(self) -> list[Metric]:
        """The families, for the registry, which asks while it holds its own lock and ours."""
        return list(self._read(()))

    def collect(self) -> list[Metric]:
        """The families with their samples."""
        with self._lock:
            sources = list(self._sources)
        return list(self._read(sources))


class Family(NamedTuple):
    """Samples of one name, from one field of metrics."""

    name: str
    """With the base unit at its end; a counter ends in `_total`, all else are gauges."""
    field: str
    text: str


def families(table: Iterable[Family], names: Sequence[str], metrics: Mapping[tuple[str, ...], Any]) -> Iterator[Metric]:
    """Each family of a table; `metrics` are keyed by the values of the labels with these `names`."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    for name, field, text in table:
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        family = kind(name, text, labels=names)
        for values, source in metrics.items():
            family.add_metric(values, getattr(source, field))
        yield family


def label(text: str) -> str:
    """A label's value: any text but lone surrogates, which would fail the whole page."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
