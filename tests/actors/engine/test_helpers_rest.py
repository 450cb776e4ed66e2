"""Helpers take what other programs leave: they have the lowest priority, and rest where nothing was left."""

import os
import sys
import threading
import weakref
from types import SimpleNamespace

import pytest

from akkordeon_dask.actors.engine._helpers import Helpers
from tests.support.no_load import Still

LIMIT = 30.0
"""Seconds to wait for what is sure to come."""

HELD_UP = {"computed": 0.002, "waited": 0.1}


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


class Together(Task):
    """Does so while another one does."""

    def __init__(self, both, machine, **times):
        super().__init__(machine, **times)
        self.both = both

    def __call__(self):
        super().__call__()
        self.both.wait(LIMIT)


def taken(helpers, task):
    """A helper takes the task; the event that is set when it has done it and has told of it. None: it is refused."""
    told = threading.Event()
    weakref.finalize(task, told.set)
    return told if helpers.offer(task) else None


def does(helpers, machine, **times):
    """A helper takes a task, and does it."""
    told = taken(helpers, Task(machine, **times))
    assert told is not None and told.wait(LIMIT)


def rests(helpers, machine):
    """For how long the helpers take nothing, as they do now; the clock is at the end of it then."""
    begun = machine.now
    while (told := taken(helpers, Task(machine, computed=0.002, waited=0.0))) is None:
        machine.now += 0.001
    assert told.wait(LIMIT)
    return machine.now - begun


@pytest.mark.parametrize(
    ("computed", "waited", "rest"),
    [
        pytest.param(0.0, 0.019, 0.0, id="a short wait is no matter, however short the task"),
        pytest.param(0.0, 0.021, 0.021, id="a longer one is"),
        pytest.param(0.01, 0.159, 0.0, id="unless the task is long too"),
        pytest.param(0.01, 0.161, 0.161, id="but not for as long"),
        pytest.param(0.01, 100.0, 60.0, id="a minute is the longest rest"),
    ],
)
def test_helpers_that_were_held_up_rest_for_as_long(computed, waited, rest, made, machine):
    helpers = made()
    does(helpers, machine, computed=computed, waited=waited)
    assert rests(helpers, machine) == pytest.approx(rest, abs=0.002)


@pytest.mark.parametrize(("worked", "second"), [(0.05, 0.2), (0.15, 0.1)])
def test_helpers_that_have_not_worked_as_long_as_they_rested_rest_twice_as_long(worked, second, made, machine):
    helpers = made()
    for rest in (0.1, second):
        does(helpers, machine, **HELD_UP)
        assert rests(helpers, machine) == pytest.approx(rest, abs=0.002)
        machine.now += worked


def test_the_rest_of_helpers_that_are_always_held_up_doubles_to_a_minute(made, machine):
    helpers, seen = made(), []
    for _ in range(12):
        does(helpers, machine, **HELD_UP)
        seen.append(rests(helpers, machine))
    assert seen == pytest.approx([min(0.1 * 2**n, 60) for n in range(12)], abs=0.002)


def test_what_was_waited_before_does_not_count_again(made, machine):
    helpers = made()
    does(helpers, machine, **HELD_UP)
    rests(helpers, machine)
    does(helpers, machine, computed=0.002, waited=0.0)
    assert rests(helpers, machine) == 0


def test_two_that_are_held_up_together_rest_once(made, machine):
    helpers, both = made(cores=3), threading.Barrier(2)
    told = [taken(helpers, Together(both, machine, **HELD_UP)) for _ in range(2)]
    assert all(one.wait(LIMIT) for one in told)
    assert rests(helpers, machine) == pytest.approx(0.1, abs=0.002)


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
