"""A behavior that notes what its cell does with it."""

import asyncio
import threading

from akkordeon_dask.actors.engine._cell import ActorCell
from tests.support.numbered_samples import LIMIT

__all__ = ["RecordingBehavior", "lived"]


class RecordingBehavior:
    """A behavior that notes what it is asked, and in which thread; `held` keeps it busy until it is let go."""

    def __init__(self, *, patience=LIMIT, fails_on=()):
        self.did, self.threads, self.ticks = [], set(), []
        self.patience, self.fails_on = patience, fails_on
        self.entered, self.held, self.ticked = threading.Event(), threading.Event(), threading.Event()

    def note(self, what):
        self.did.append(what)
        self.threads.add(threading.current_thread().name)
        if what in self.fails_on:
            raise ValueError(f"no {what}")

    def receive(self, message):
        if message == "hold":
            self.entered.set()
            assert self.held.wait(LIMIT)
        self.note(message)

    def on_timer(self, now):
        self.ticks.append(now)
        self.ticked.set()
        self.note("on_timer")
        return self.patience

    def stop(self):
        self.note("stop")


def lived(story, core, ended=lambda: None):
    """Run a story with a thread, which has ended when this returns."""

    async def life():
        thread = ActorCell("the actor", core, ended)
        try:
            return await story(thread)
        finally:
            core.held.set()
            thread.stop()
            await thread.stopped(LIMIT)

    answer = asyncio.run(life())
    assert "the actor" not in [thread.name for thread in threading.enumerate()]
    return answer
