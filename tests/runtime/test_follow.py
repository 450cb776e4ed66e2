"""Passes of a stand-in for a running network: no cluster."""

import contextlib
import threading
from types import SimpleNamespace

import pytest

from akkordeon_dask.errors import ClosedError, GateError
from akkordeon_dask.runtime import follow
from akkordeon_dask.runtime._history import FinishedPasses
from tests.support.pass_reports import report
from tests.support.patience import PATIENCE

STORY = [report("train0", epoch) for epoch in (1, 2, 3)]


class StandIn:
    """A network whose `wait` plays a story: passes, then perhaps an error."""

    def __init__(self, story=STORY, error=None, earlier=()):
        self.story, self.error = story, error
        self._session = SimpleNamespace(passes=FinishedPasses())
        for passed in earlier:
            self._session.passes.add(passed)
        self.asked = []
        self.listeners = []

    def subscribe(self, listener, *, mine=False):
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def wait(self, epochs=None, *, mine=False, progress=None):
        assert progress is False
        self.asked.append(epochs)
        for passed in self.story:
            self._session.passes.add(passed)
            for listener in self.listeners:
                listener(passed)
        if self.error is not None:
            raise self.error


class Endless(StandIn):
    """A network that has one pass and then trains until it is closed."""

    def __init__(self):
        super().__init__(STORY[:1], ClosedError("closed"))
        self.closed = threading.Event()

    def wait(self, epochs=None, *, mine=False, progress=None):
        try:
            super().wait(epochs, progress=progress)
        except ClosedError:
            assert self.closed.wait(PATIENCE)
            raise


@pytest.mark.parametrize("earlier", [0, 1, 3])
def test_every_pass_is_given_once_and_in_order_whenever_it_ended(earlier):
    assert list(follow(StandIn(STORY[earlier:], earlier=STORY[:earlier]))) == STORY


def test_the_epochs_are_handed_on_to_wait():
    running = StandIn()
    assert list(follow(running, epochs=7)) == STORY
    assert running.asked == [7]


def test_an_error_is_raised_after_the_passes_before_it():
    given = follow(StandIn(error=GateError("gate 'g0' failed")))
    assert [next(given) for _ in STORY] == STORY
    with pytest.raises(GateError, match="'g0'"):
        next(given)


def test_a_pass_is_given_while_the_wait_goes_on():
    running = Endless()
    given = follow(running)
    assert next(given) == STORY[0]
    running.closed.set()
    with pytest.raises(ClosedError):
        next(given)


def test_the_thread_that_waits_ends_when_the_network_closes(eventually):
    running = Endless()
    given = follow(running)
    next(given)
    waiting = [thread for thread in threading.enumerate() if thread.name == "akkordeon-wait"]
    given.close()
    running.closed.set()
    eventually(lambda: not any(thread.is_alive() for thread in waiting))
    assert waiting


@pytest.mark.parametrize("error", [None, GateError("gate 'g0' failed")])
def test_nobody_listens_any_more_at_the_end(error):
    running = StandIn(error=error)
    with contextlib.suppress(GateError):
        list(follow(running))
    assert running.asked and running.listeners == []
