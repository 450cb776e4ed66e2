"""A behavior that records the calls of its cell."""

import asyncio
import threading

from akkordeon_dask.actors.engine._cell import ActorCell
from tests.support.numbered_samples import LIMIT


class RecordingBehavior:
    """A behavior that records its calls and their threads; a "hold" message keeps it busy until `held` is set."""

    def __init__(self, *, interval=LIMIT, fails_on=()):
        self.calls, self.threads, self.timers = [], set(), []
        self.interval, self.fails_on = interval, fails_on
        self.entered, self.held, self.timer_ran = threading.Event(), threading.Event(), threading.Event()

    def note(self, call):
        self.calls.append(call)
        self.threads.add(threading.current_thread().name)
        if call in self.fails_on:
            raise ValueError(f"no {call}")

    def receive(self, message):
        if message == "hold":
            self.entered.set()
            assert self.held.wait(LIMIT)
        self.note(message)

    def on_timer(self, now):
        self.timers.append(now)
        self.timer_ran.set()
        self.note("on_timer")
        return self.interval

    def stop(self):
        self.note("stop")


def run_cell(story, behavior, ended=lambda: None):
    """Run a story with a cell, whose thread has ended when this returns."""

    async def run():
        cell = ActorCell("the actor", behavior, ended)
        try:
            return await story(cell)
        finally:
            behavior.held.set()
            cell.stop()
            await cell.stopped(LIMIT)

    answer = asyncio.run(run())
    assert "the actor" not in [thread.name for thread in threading.enumerate()]
    return answer
