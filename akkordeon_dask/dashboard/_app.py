"""The Bokeh applications of the page, among those of Dask's dashboard."""

import functools
import logging
from collections.abc import Callable
from typing import Any

from bokeh.server.tornado import BokehTornado
from distributed import Scheduler
from distributed.dashboard import scheduler as dask_pages
from distributed.dashboard.components import add_periodic_callback
from distributed.dashboard.components.scheduler import BOKEH_THEME, env
from distributed.dashboard.core import BokehApplication
from tornado.ioloop import IOLoop

from akkordeon_dask import config, telemetry
from akkordeon_dask.dashboard._page import PANES, Page, SinglePane

__all__ = ["APPLICATIONS", "preload", "serve"]

logger = logging.getLogger(__name__)

_NAME = "akkordeon"


def _interval() -> int:
    """Milliseconds between two updates."""
    return int(1000 * config.seconds("dashboard.interval", config.SHORTEST_INTERVAL))


def _page(scheduler: Scheduler, extra: dict[str, Any], doc: Any) -> None:
    """A new browser has opened the page; `?network=NAME` chooses one."""
    name = doc.session_context.request.arguments.get("network", [b""])[0] if doc.session_context else b""
    page = Page(telemetry.install(scheduler).store, name.decode(errors="replace"))
    page.update()
    add_periodic_callback(doc, page, _interval())
    doc.add_root(page.root)
    doc.title = "Dask: Akkordeon"
    doc.theme = BOKEH_THEME
    doc.template = env.get_template("simple.html")
    doc.template_variables.update(extra)


def _single(word: str, scheduler: Scheduler, extra: dict[str, Any], doc: Any) -> None:
    """A new pane in JupyterLab, or in a browser."""
    single = SinglePane(telemetry.install(scheduler).store, PANES[word]())
    single.update()
    add_periodic_callback(doc, single, _interval())
    doc.add_root(single.root)
    doc.title = f"Dask: Akkordeon {word}"
    doc.theme = BOKEH_THEME


APPLICATIONS: dict[str, Callable[[Scheduler, dict[str, Any], Any], None]] = {
    f"/{_NAME}": _page,
    f"/individual-{_NAME}": _page,
    **{f"/individual-{_NAME}-{word}": functools.partial(_single, word) for word in PANES},
}
"""The function that fills the document of each address."""


def preload() -> None:
    """Add the page to dashboards that are made from now on in this process."""
    dask_pages.applications.update(APPLICATIONS)


def serve(scheduler: Scheduler) -> None:
    """Add the page to the dashboard of a scheduler that runs, and to its menu. On its event loop."""
    pages = [app for app in scheduler.http_application.applications if isinstance(app, BokehTornado)]
    if not pages:
        logger.info("the scheduler has no dashboard, so there is no page /%s", _NAME)
        return
    variables = dask_pages.template_variables(scheduler)  # Dask keeps them: all pages have the same lists
    if _NAME not in variables["pages"]:
        variables["pages"].append(_NAME)
    if any(f"/{_NAME}" in app.app_paths for app in pages):
        return
    app = BokehApplication(APPLICATIONS, scheduler, prefix=pages[0].prefix, template_variables=variables)
    scheduler.http_application.add_application(app)
    app.initialize(IOLoop.current())
    app.start()
