"""A behavior that records the calls of its cell."""

import asyncio
import threading

from akkordeon_dask.actors.engine._dispatcher import Dispatcher
from tests.support.patience import PATIENCE


class RecordingBehavior:
    """A behavior that records its calls and their threads; a "hold" message keeps it busy until `held` is set."""

    wants_timer = False

    def __init__(self, *, interval=PATIENCE, fails_on=()):
        self.calls, self.threads, self.timers = [], set(), []
        self.interval, self.fails_on = interval, fails_on
        self.entered, self.held, self.timer_ran = threading.Event(), threading.Event(), threading.Event()

    def note(self, call):
        self.calls.append(call)
        self.threads.add(threading.get_ident())
        if call in self.fails_on:
            raise ValueError(f"no {call}")

    def receive(self, message):
        if message == "hold":
            self.entered.set()
            assert self.held.wait(PATIENCE)
        self.note(message)

    def apply(self, computation):
        self.note(computation)

    def on_timer(self, now):
        self.timers.append(now)
        self.timer_ran.set()
        self.note("on_timer")
        return self.interval

    def stop(self):
        self.note("stop")


def run_cell(story, behavior, ended=None, *, threads=1):
    """Run a story with a cell; the cell, and all threads of its dispatcher, have ended when this returns."""
    before = set(threading.enumerate())

    async def run():
        dispatcher = Dispatcher(threads)
        cell = dispatcher.cell("the actor", behavior, ended)
        try:
            return await story(cell)
        finally:
            behavior.held.set()
            cell.stop()
            await cell.stopped(PATIENCE)
            dispatcher.join(PATIENCE)

    answer = asyncio.run(run())
    assert not [thread for thread in threading.enumerate() if thread not in before]
    return answer
