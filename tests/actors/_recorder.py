"""A core that notes what its thread does with it."""

import asyncio
import threading

from akkordeon_dask.actors._thread import ActorThread
from tests.actors._small import LIMIT

__all__ = ["Recorder", "lived"]


class Recorder:
    """A core that notes what it is asked, and in which thread; `held` keeps it busy until it is let go."""

    def __init__(self, *, patience=LIMIT, fails_on=()):
        self.did, self.threads, self.ticks = [], set(), []
        self.patience, self.fails_on = patience, fails_on
        self.entered, self.held, self.ticked = threading.Event(), threading.Event(), threading.Event()

    def note(self, what):
        self.did.append(what)
        self.threads.add(threading.current_thread().name)
        if what in self.fails_on:
            raise ValueError(f"no {what}")

    def handle(self, message):
        if message == "hold":
            self.entered.set()
            assert self.held.wait(LIMIT)
        self.note(message)

    def tick(self, now):
        self.ticks.append(now)
        self.ticked.set()
        self.note("tick")
        return self.patience

    def close(self):
        self.note("close")


def lived(story, core, ended=lambda: None):
    """Run a story with a thread, which has ended when this returns."""

    async def life():
        thread = ActorThread("the actor", core, ended)
        try:
            return await story(thread)
        finally:
            core.held.set()
            thread.stop()
            await thread.stopped(LIMIT)

    answer = asyncio.run(life())
    assert "the actor" not in [thread.name for thread in threading.enumerate()]
    return answer
