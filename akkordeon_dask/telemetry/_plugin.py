"""The scheduler's plugin: it reads its workers' heartbeats and its clients' events."""

import pickle
import time
from typing import Any

from distributed import Scheduler, SchedulerPlugin
from tornado.ioloop import PeriodicCallback

from akkordeon_dask import config
from akkordeon_dask.messages import TOPIC
from akkordeon_dask.telemetry._live import LiveStatus, live_status
from akkordeon_dask.telemetry._metrics import SCHEDULER_COLLECTOR, SentinelSamples
from akkordeon_dask.telemetry._network import NetworkTelemetry
from akkordeon_dask.telemetry._store import Heartbeat, TelemetryStore

__all__ = ["TelemetryPlugin", "install", "live", "network_telemetry"]


class TelemetryPlugin(SchedulerPlugin):
    """Fills a board with what the scheduler hears anyway. All on the scheduler's event loop."""

    name = TOPIC

    def __init__(self, scheduler: Scheduler) -> None:
        self.store = TelemetryStore()
        self.samples = SentinelSamples()
        self._scheduler = scheduler
        for when, told in scheduler.get_events(TOPIC):
            self.store.event(told, when)

    def log_event(self, topic: str, msg: Any) -> None:
        """Somebody logged an event."""
        if topic == TOPIC:
            self.store.event(msg, time.time())

    def poll(self) -> None:
        """Read the heartbeats that came."""
        workers = self._scheduler.workers.values()
        beats = [Heartbeat(ws.address, str(ws.name), ws.metrics.get(TOPIC) or {}) for ws in workers]
        self.store.update(beats, time.time())
        self.samples.update(self.store)

    async def close(self) -> None:
        SCHEDULER_COLLECTOR.remove(self.samples)


def install(dask_scheduler: Scheduler) -> TelemetryPlugin:
    """The scheduler's monitor, made when there is none, with its heartbeats read from then on. On its event loop."""
    there = dask_scheduler.plugins.get(TOPIC)
    if isinstance(there, TelemetryPlugin):
        return there
    monitor = TelemetryPlugin(dask_scheduler)
    dask_scheduler.add_plugin(monitor, name=TOPIC)
    callback = PeriodicCallback(monitor.poll, 1000 * config.seconds("dashboard.interval"))
    dask_scheduler.periodic_callbacks[TOPIC] = callback  # the scheduler stops it when it closes
    callback.start()
    SCHEDULER_COLLECTOR.add(monitor.samples)
    return monitor


def network_telemetry(network: str, dask_scheduler: Scheduler) -> NetworkTelemetry | None:
    """A copy of what is known of a network; None: nothing."""
    there = install(dask_scheduler).store.networks.get(network)
    # A client in this process would share it with this event loop.
    copy: NetworkTelemetry | None = pickle.loads(pickle.dumps(there))
    return copy


def live(network: str, dask_scheduler: Scheduler) -> LiveStatus | tuple[str, ...]:
    """What a network does at this moment; where it is not known, the names of those that run."""
    known = TOPIC in dask_scheduler.plugins
    monitor = install(dask_scheduler)
    if not known:
        monitor.poll()
    networks = monitor.store.networks
    if network in networks:
        return live_status(networks[network], time.time())
    return tuple(sorted(one.name for one in networks.values() if one.ended is None))
