"""Helpers take what other programs leave: they have the lowest priority, and rest where nothing was left."""

import os
import sys
import threading
import weakref
from types import SimpleNamespace

import pytest

from akkordeon_dask.parallel import Helpers
from tests._still import Still

LIMIT = 30.0
"""Seconds to wait for what is sure to come."""

HELD_UP = {"computed": 0.002, "waited": 0.1}
"""Rests for five seconds."""


@pytest.fixture
def machine():
    """The clock, and what each helper's thread has computed and waited."""
    return SimpleNamespace(now=0.0, threads={})


@pytest.fixture
def made(machine):
    """Makes helpers in the machine, and stops them in the end."""
    every = []

    def background():
        return machine.threads.setdefault(threading.get_ident(), Still())

    def make(cores=2):
        every.append(Helpers(cores, clock=lambda: machine.now, background=background))
        every[-1].start()
        return every[-1]

    yield make
    for helpers in every:
        helpers.stop()


class Task:
    """Computes, and waits for a core."""

    def __init__(self, machine, *, computed, waited):
        self.machine, self.computed, self.waited = machine, computed, waited

    def __call__(self):
        thread = self.machine.threads[threading.get_ident()]
        thread.computed += self.computed
        thread.waited += self.waited


def does(helpers, machine, **times):
    """A helper takes a task, does it, and has told of it."""
    told, task = threading.Event(), Task(machine, **times)
    weakref.finalize(task, told.set)
    assert helpers.offer(task)
    del task
    assert told.wait(LIMIT)


@pytest.mark.parametrize(
    ("computed", "waited", "rest"),
    [
        pytest.param(0.0, 0.019, 0.0, id="a short wait is no matter, however short the task"),
        pytest.param(0.0, 0.021, 1.05, id="a longer one is"),
        pytest.param(0.01, 0.159, 0.0, id="unless the task is long too"),
        pytest.param(0.01, 0.161, 8.05, id="but not for as long"),
        pytest.param(0.01, 2.0, 60.0, id="a minute is the longest rest"),
    ],
)
def test_helpers_that_were_held_up_rest_in_proportion(computed, waited, rest, made, machine):
    helpers = made()
    does(helpers, machine, computed=computed, waited=waited)
    if rest:
        machine.now += rest - 0.001
        assert not helpers.offer(lambda: None)
        machine.now += 0.002
    assert helpers.offer(lambda: None)


def test_what_was_waited_before_does_not_count_again(made, machine):
    helpers = made()
    does(helpers, machine, **HELD_UP)
    machine.now += 6
    does(helpers, machine, computed=0.002, waited=0.0)
    assert helpers.offer(lambda: None)


def test_all_helpers_rest_when_one_was_held_up(made, machine):
    helpers = made(cores=3)
    does(helpers, machine, **HELD_UP)
    assert not helpers.offer(lambda: None)


def test_helpers_that_are_started_anew_have_rested(made, machine):
    helpers = made()
    does(helpers, machine, **HELD_UP)
    helpers.stop()
    helpers.start()
    assert helpers.offer(lambda: None)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
def test_helpers_have_the_lowest_priority_and_who_offers_keeps_its_own():
    def priority():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    seen, helpers, before = [], Helpers(2), priority()
    helpers.start()
    assert helpers.offer(lambda: seen.append(priority()))
    helpers.stop()
    assert seen == [19] and priority() == before < 19
