"""What the scheduler does for the page: it reads its workers' heartbeats and its clients' events."""

import functools
import logging
import pickle
import time
from typing import Any

from distributed import Scheduler, SchedulerPlugin
from tornado.ioloop import PeriodicCallback

from akkordeon_dask import config
from akkordeon_dask.dashboard._board import Beat, Board
from akkordeon_dask.dashboard._glance import Glance, take_glance
from akkordeon_dask.dashboard._prometheus import SHOWCASES, Showcase
from akkordeon_dask.dashboard._record import NetworkRecord
from akkordeon_dask.messages import TOPIC

__all__ = ["Monitor", "announce", "glance", "install", "preload", "record"]

logger = logging.getLogger(__name__)


class Monitor(SchedulerPlugin):
    """Fills a board with what the scheduler hears anyway. All on the scheduler's event loop."""

    name = TOPIC

    def __init__(self, scheduler: Scheduler) -> None:
        self.board = Board()
        self.showcase = Showcase()
        self._scheduler = scheduler
        for when, told in scheduler.get_events(TOPIC):
            self.board.event(told, when)

    def log_event(self, topic: str, msg: Any) -> None:
        """Somebody logged an event."""
        if topic == TOPIC:
            self.board.event(msg, time.time())

    def look(self) -> None:
        """Read the heartbeats that came."""
        workers = self._scheduler.workers.values()
        beats = [Beat(ws.address, str(ws.name), ws.metrics.get(TOPIC) or {}) for ws in workers]
        self.board.take(beats, time.time())
        self.showcase.take(self.board)

    async def close(self) -> None:
        SHOWCASES.remove(self.showcase)


def install(dask_scheduler: Scheduler) -> Monitor:
    """The scheduler's monitor, made when there is none, with the page where bokeh is there. On its event loop."""
    there = dask_scheduler.plugins.get(TOPIC)
    if isinstance(there, Monitor):
        return there
    monitor = Monitor(dask_scheduler)
    dask_scheduler.add_plugin(monitor, name=TOPIC)
    callback = PeriodicCallback(monitor.look, 1000 * config.seconds("dashboard.interval"))
    dask_scheduler.periodic_callbacks[TOPIC] = callback  # the scheduler stops it when it closes
    callback.start()
    SHOWCASES.add(monitor.showcase)
    pages = _pages()
    if pages is not None:
        pages.serve(dask_scheduler)
    return monitor


def preload() -> None:
    """Let dashboards that are made from now on, in this process, have the page; where bokeh is there."""
    pages = _pages()
    if pages is not None:
        pages.preload()


@functools.cache
def _pages() -> Any:
    """The module of the page; None: no bokeh, which is said once in a process."""
    try:
        from akkordeon_dask.dashboard import _serve
    except ImportError as error:
        logger.warning("no page /akkordeon on the dashboard, training works without: %s", error)
        return None
    return _serve


def announce(told: dict[str, Any], dask_scheduler: Scheduler) -> None:
    """Tell everybody who listens that a network was deployed; from now on there is a monitor."""
    install(dask_scheduler)
    dask_scheduler.log_event(TOPIC, told)


def record(network: str, dask_scheduler: Scheduler) -> NetworkRecord | None:
    """A copy of what is known of a network; None: nothing."""
    there = install(dask_scheduler).board.networks.get(network)
    # A client in this process would share it with this event loop.
    copy: NetworkRecord | None = pickle.loads(pickle.dumps(there))
    return copy


def glance(network: str, dask_scheduler: Scheduler) -> Glance | tuple[str, ...]:
    """What a network does at this moment; where it is not known, the names of those that run."""
    known = TOPIC in dask_scheduler.plugins
    monitor = install(dask_scheduler)
    if not known:
        monitor.look()
    networks = monitor.board.networks
    if network in networks:
        return take_glance(networks[network], time.time())
    return tuple(sorted(one.name for one in networks.values() if one.ended is None))
