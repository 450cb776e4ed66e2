"""Helpers: as many threads as there are cores to spare, and a task only where one is idle."""

import os
import threading
import weakref
from contextlib import contextmanager

import pytest

from akkordeon_dask.actors.engine._helpers import Helpers, cores
from tests.support.no_load import Still

LIMIT = 30.0
"""Seconds to wait for what is sure to come."""


class Task:
    """Runs until it is let go, and keeps in which threads it did."""

    def __init__(self):
        self.began, self.go, self.threads, self.ended = threading.Event(), threading.Event(), [], False

    def __call__(self):
        self.threads.append(threading.current_thread())
        self.began.set()
        self.ended = self.go.wait(LIMIT)


@pytest.fixture
def new_threads():
    """The helper threads that live now and did not when the test began."""
    before = set(threading.enumerate())
    return lambda: [t for t in set(threading.enumerate()) - before if t.name.startswith("akkordeon helper")]


@pytest.fixture
def started():
    """Makes helpers that are started, and stops them in the end."""
    made = []

    def start(number):
        made.append(Helpers(number, background=Still))
        made[-1].start()
        return made[-1]

    yield start
    for helpers in made:
        helpers.stop()


@pytest.fixture
def task():
    """Makes tasks, and lets them all go in the end."""
    made = []

    def make():
        made.append(Task())
        return made[-1]

    yield make
    for one in made:
        one.go.set()


@contextmanager
def others_computing(helpers, number):
    """So many other threads compute in this block."""
    inside, leave = threading.Barrier(number + 1), threading.Event()

    def compute():
        with helpers.computing():
            inside.wait(LIMIT)
            leave.wait(LIMIT)

    threads = [threading.Thread(target=compute) for _ in range(number)]
    for thread in threads:
        thread.start()
    inside.wait(LIMIT)
    try:
        yield
    finally:
        leave.set()
        for thread in threads:
            thread.join(LIMIT)


def accepted(helpers, tasks):
    return [task for task in tasks if helpers.offer(task)]


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_helpers_are_one_fewer_than_cores_from_start_to_stop(number, new_threads):
    helpers = Helpers(number)
    assert new_threads() == []
    for _ in range(2):
        helpers.start()
        assert len(new_threads()) == number - 1
        helpers.stop()
        assert new_threads() == []


def test_starting_or_stopping_twice_changes_nothing(started, new_threads):
    helpers = started(3)
    first = set(new_threads())
    helpers.start()
    assert set(new_threads()) == first and len(first) == 2
    helpers.stop()
    helpers.stop()
    assert new_threads() == []


def test_stopping_what_never_started_takes_nothing_from_a_later_start(new_threads):
    helpers = Helpers(3)
    helpers.stop()
    helpers.start()
    assert len(new_threads()) == 2
    helpers.stop()


def test_helpers_that_are_not_started_take_nothing_and_never_run_it(task):
    helpers, early, late = Helpers(4), task(), task()
    assert not helpers.offer(early)
    helpers.start()
    helpers.stop()
    assert not helpers.offer(late)
    helpers.start()
    helpers.stop()
    assert early.threads == late.threads == []


def test_helpers_work_again_after_they_were_stopped(started, task):
    helpers, one = started(2), task()
    helpers.stop()
    helpers.start()
    assert helpers.offer(one) and one.began.wait(LIMIT)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("others", [0, 1, 2, 3, 4])
def test_helpers_take_as_many_tasks_as_cores_are_idle_beside_the_caller_s(number, others, started, task):
    helpers = started(number)
    with others_computing(helpers, others):
        tasks = accepted(helpers, [task() for _ in range(6)])
        assert len(tasks) == max(0, number - others - 1)
        assert all(one.began.wait(LIMIT) for one in tasks)


def test_never_more_than_the_cores_compute_however_many_threads_offer(started, task):
    helpers, callers = started(4), 12
    tasks, answers, together = [task() for _ in range(callers)], [], threading.Barrier(callers)

    def offer(one):
        together.wait(LIMIT)
        answers.append(helpers.offer(one))

    threads = [threading.Thread(target=offer, args=[one]) for one in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert sorted(answers) == [False] * (callers - 3) + [True] * 3


def test_tasks_run_at_once_beside_the_caller(started):
    helpers, together = started(4), threading.Barrier(4)
    assert len(accepted(helpers, [lambda: together.wait(LIMIT)] * 3)) == 3
    together.wait(LIMIT)


def test_a_task_that_is_taken_runs_exactly_once_in_a_helper_s_thread(started, task, new_threads, eventually):
    helpers = started(3)
    tasks, own = [task() for _ in range(50)], set(new_threads())
    for one in tasks:
        one.go.set()
        eventually(lambda one=one: helpers.offer(one))
    helpers.stop()
    assert [len(one.threads) for one in tasks] == [1] * 50
    assert {thread for one in tasks for thread in one.threads} <= own


def test_a_task_that_is_refused_never_runs(started, task):
    helpers, first, refused = started(2), task(), task()
    assert helpers.offer(first) and not helpers.offer(refused)
    first.go.set()
    helpers.stop()
    assert first.ended and refused.threads == []


def test_a_core_is_given_back_when_a_task_ends(started, task, eventually):
    helpers, first, second = started(2), task(), task()
    assert helpers.offer(first) and not helpers.offer(second)
    first.go.set()
    eventually(lambda: helpers.offer(second))
    assert not helpers.offer(task())


def test_a_core_is_given_back_when_a_computing_block_ends_even_by_an_error(started, task):
    helpers = started(2)
    with helpers.computing():
        assert not helpers.offer(task())
    with pytest.raises(ZeroDivisionError), helpers.computing():
        raise ZeroDivisionError
    assert helpers.offer(task())


def test_a_task_that_has_ended_is_let_go(started, eventually):
    helpers, one = started(2), Task()
    one.go.set()
    gone = weakref.ref(one)
    assert helpers.offer(one)
    del one
    eventually(lambda: gone() is None)


def test_stop_waits_for_a_task_that_runs(started, task, new_threads, eventually):
    helpers, one, seen = started(3), task(), []
    assert helpers.offer(one) and one.began.wait(LIMIT)
    stopping = threading.Thread(target=lambda: (helpers.stop(), seen.append(one.ended)))
    stopping.start()
    eventually(lambda: len(new_threads()) == 1)
    assert stopping.is_alive() and not helpers.offer(task())
    one.go.set()
    stopping.join(LIMIT)
    assert seen == [True] and new_threads() == []


def test_what_was_taken_before_stop_is_done_when_stop_returns(started, task):
    helpers, tasks = started(4), [task() for _ in range(3)]
    for one in tasks:
        one.go.set()
    assert len(accepted(helpers, tasks)) == 3
    helpers.stop()
    assert [one.ended for one in tasks] == [True] * 3


def test_there_is_a_core_at_least():
    assert cores() >= 1


@pytest.mark.parametrize("allowed", [{0}, {0, 3}, {1, 2, 5}])
def test_only_the_cores_that_the_process_may_use_count(allowed, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: allowed, raising=False)
    assert cores() == len(allowed)


@pytest.mark.parametrize(("known", "counted"), [(6, 6), (None, 1)])
def test_a_system_without_affinities_counts_all_its_cores_and_one_if_it_does_not_know(known, counted, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: known)
    assert cores() == counted
