"""The door of the dashboard: the scheduler gathers what actors report, and shows it where bokeh is there."""

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
    """Let the scheduler gather what actors report, and add the page to its dashboard. On its event loop."""
    store = telemetry.install(dask_scheduler).store
    app = _app()
    if app is not None:
        app.serve(dask_scheduler, store)


def preload() -> None:
    """Let dashboards that are made from now on, in this process, have the page; where bokeh is there."""
    app = _app()
    if app is not None:
        app.preload()


@functools.cache
def _app() -> ModuleType | None:
    """The module of the page; None: no bokeh, which is said once in a process."""
    try:
        from akkordeon_dask.dashboard import _app
    except ImportError as error:
        logger.warning("no page /akkordeon on the dashboard, training works without: %s", error)
        return None
    return _app


def announce(told: dict[str, Any], dask_scheduler: Scheduler) -> None:
    """Tell everybody who listens that a network was deployed; from now on the scheduler gathers and shows."""
    install(dask_scheduler)
    dask_scheduler.log_event(TOPIC, told)
