"""The page on a server of its own, of a board that nobody but the test fills."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.server.server import Server

from akkordeon_dask.dashboard._page import Page
from akkordeon_dask.telemetry import TelemetryStore
from tests.support.patience import PATIENCE


@contextmanager
def served_page(board: TelemetryStore, lock: threading.Lock) -> Iterator[str]:
    """The address of a page that looks at the board once a second, with the lock."""

    def opened(document):
        page = Page(board)

        def update():
            with lock:
                page.update()

        update()
        document.add_periodic_callback(update, 1000)
        document.add_root(page.root)

    ready: list[Server] = []
    begun = threading.Event()

    def serve():
        asyncio.set_event_loop(asyncio.new_event_loop())
        server = Server({"/": Application(FunctionHandler(opened))}, port=0, address="127.0.0.1")
        server.start()
        ready.append(server)
        begun.set()
        server.io_loop.start()
        server.stop()
        server.io_loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert begun.wait(PATIENCE)
    try:
        yield f"http://127.0.0.1:{ready[0].port}/"
    finally:
        ready[0].io_loop.add_callback(ready[0].io_loop.stop)
        thread.join(PATIENCE)
        assert not thread.is_alive()
