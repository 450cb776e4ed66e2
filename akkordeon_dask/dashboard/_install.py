"""The door of the dashboard: telemetry on the scheduler, and the page that shows it where bokeh is installed."""

import functools
import logging
from types import ModuleType
from typing import Any

from distributed import Scheduler

from akkordeon_dask import telemetry
from akkordeon_dask.messages import TOPIC

__all__ = ["announce", "install", "preload"]

logger = logging.getLogger(__name__)


def install(dask_scheduler: Scheduler) -> None:
    """Install telemetry on the scheduler, and add the page to its dashboard. On its event loop."""
    telemetry.install(dask_scheduler)
    app = _app()
    if app is not None:
        app.serve(dask_scheduler)


def preload() -> None:
    """Add the page to dashboards that are made from now on in this process; where bokeh is installed."""
    app = _app()
    if app is not None:
        app.preload()


@functools.cache
def _app() -> ModuleType | None:
    """The module of the page; None: no bokeh, which is logged once in a process."""
    try:
        from akkordeon_dask.dashboard import _app
    except ImportError as error:
        logger.warning("no page /akkordeon on the dashboard, training works without: %s", error)
        return None
    return _app


def announce(event: dict[str, Any], dask_scheduler: Scheduler) -> None:
    """Log the event of a network that was deployed, after telemetry and the page are installed. On the event loop."""
    install(dask_scheduler)
    dask_scheduler.log_event(TOPIC, event)
