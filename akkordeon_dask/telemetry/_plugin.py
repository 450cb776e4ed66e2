"""The scheduler's plugin: it reads the workers' heartbeats and the clients' events."""

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
    """Fills a store from heartbeats and events, which the scheduler receives anyway. All on its event loop."""

    name = TOPIC

    def __init__(self, scheduler: Scheduler) -> None:
        self.store = TelemetryStore()
        self.samples = SentinelSamples()
        self._scheduler = scheduler
        for time_logged, event in scheduler.get_events(TOPIC):
            self.store.event(event, time_logged)

    def log_event(self, topic: str, msg: Any) -> None:
        """An event was logged."""
        if topic == TOPIC:
            self.store.event(msg, time.time())

    def poll(self) -> None:
        """Read the newest heartbeat of each worker."""
        workers = self._scheduler.workers.values()
        heartbeats = [Heartbeat(ws.address, str(ws.name), ws.metrics.get(TOPIC) or {}) for ws in workers]
        self.store.update(heartbeats, time.time())
        self.samples.update(self.store)

    async def close(self) -> None:
        SCHEDULER_COLLECTOR.remove(self.samples)


def install(dask_scheduler: Scheduler) -> TelemetryPlugin:
    """The scheduler's plugin, which is added where there is none, and polls from then on. On its event loop."""
    found = dask_scheduler.plugins.get(TOPIC)
    if isinstance(found, TelemetryPlugin):
        return found
    plugin = TelemetryPlugin(dask_scheduler)
    dask_scheduler.add_plugin(plugin, name=TOPIC)
    callback = PeriodicCallback(plugin.poll, 1000 * config.seconds("dashboard.interval", config.SHORTEST_INTERVAL))
    dask_scheduler.periodic_callbacks[TOPIC] = callback  # the scheduler stops it when it closes
    callback.start()
    SCHEDULER_COLLECTOR.add(plugin.samples)
    plugin.poll()
    return plugin


def last_versions(network: str, dask_scheduler: Scheduler) -> dict[str, int]:
    """The version in the last heartbeat of each gate, by the key of its actor, also of those that are lost."""
    found = install(dask_scheduler).store.networks.get(network)
    return {} if found is None else {gate.metrics.key: gate.metrics.version for gate in found.gates.values()}


def network_telemetry(network: str, dask_scheduler: Scheduler) -> NetworkTelemetry | None:
    """A copy of the telemetry of a network; None: there is none. On the scheduler's event loop."""
    found = install(dask_scheduler).store.networks.get(network)
    # A client in this process would share it with this event loop.
    copy: NetworkTelemetry | None = pickle.loads(pickle.dumps(found))
    return copy


def live(network: str, dask_scheduler: Scheduler) -> LiveStatus | tuple[str, ...]:
    """A network at this moment; where it is not known, the names of those that run. On the scheduler's event loop."""
    networks = install(dask_scheduler).store.networks
    if network in networks:
        return live_status(networks[network], time.time())
    return tuple(sorted(one.name for one in networks.values() if one.ended is None))
