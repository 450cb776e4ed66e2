"""What a process tells Prometheus: all that is in its client's registry appears on Dask's `/metrics`."""

import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

__all__ = ["Collector", "Family", "families", "label"]

logger = logging.getLogger(__name__)

S = TypeVar("S")


class Collector(Generic[S]):
    """What all sources of one kind in this process tell: one collector, in the registry while there is a source.

    A lock guards the sources, so any thread may add, remove and collect. They are held weakly: one that was forgotten
    is told of no more. Without prometheus_client nothing is told, as by Dask.

    Parameters
    ----------
    read
        what the sources tell; of none, the families without samples. Runs in the thread that collects.
    registry
        None: the process's own.
    """

    def __init__(
        self, read: "Callable[[Iterable[S]], Iterable[Metric]]", registry: "CollectorRegistry | None" = None
    ) -> None:
        self._read, self._registry = read, registry
        self._lock = threading.Lock()
        self._sources: weakref.WeakSet[S] = weakref.WeakSet()
        self._registered = False

    def add(self, source: S) -> None:
        """Tell of this source, too."""
        with self._lock:
            self._sources.add(source)
            self._registered = self._registered or self._register()

    def remove(self, source: S) -> None:
        """Tell of this source no more. Knows no error for one that was not added."""
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
        self._registry = self._registry or REGISTRY
        try:
            self._registry.register(self)
        except ValueError as error:
            logger.warning("no akkordeon_* on /metrics, training works without: %s", error)
            return False
        return True

    def describe(self) -> "list[Metric]":
        """The families, for the registry, which asks with its own lock and ours held."""
        return list(self._read(()))

    def collect(self) -> "list[Metric]":
        """The families with their samples."""
        with self._lock:
            sources = list(self._sources)
        return list(self._read(sources))


class Family(NamedTuple):
    """Samples of one name, from one field of figures."""

    name: str
    """With the base unit at its end; a counter ends in `_total`, all else are gauges."""
    field: str
    text: str


def families(table: Iterable[Family], names: Sequence[str], told: Mapping[tuple[str, ...], Any]) -> "Iterator[Metric]":
    """Each family of a table; `told` has the figures by the values of the labels with these `names`."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    for name, field, text in table:
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        family = kind(name, text, labels=names)
        for values, figures in told.items():
            family.add_metric(values, getattr(figures, field))
        yield family


def label(text: str) -> str:
    """A label's value: any text but lone surrogates, which would fail the whole page."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
