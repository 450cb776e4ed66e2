"""Affinity: a gate with most of the work has a core to itself, where there are more actors than cores."""

import os
import threading
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akkordeon_dask.affinity import Affinity
from akkordeon_dask.parallel import cores

LIMIT = 30.0
"""Seconds to wait for what is sure to come."""

HELPER = None
"""The cost of a thread that is no actor's."""


class System:
    """So many cores, and where each thread was told to run."""

    def __init__(self, cores):
        self.cores, self.told, self.refuses = frozenset(cores), {}, set()

    def move(self, thread, cores):
        if thread in self.refuses:
            raise PermissionError("not here")
        self.told[thread] = cores

    def of(self, thread):
        return self.told.get(thread, self.cores)


class Crew(ExitStack):
    """Threads of given costs that are members until they are let go; all end with the block."""

    def __init__(self, affinity):
        super().__init__()
        self.affinity = affinity

    def join(self, *costs):
        """Their numbers, as the system calls them."""
        return [self._join(cost)[0] for cost in costs]

    def _join(self, cost):
        inside, leave = threading.Event(), threading.Event()

        def compute():
            with self.affinity.member(cost):
                inside.set()
                leave.wait(LIMIT)

        thread = threading.Thread(target=compute)
        thread.start()
        end = self.callback(lambda: (leave.set(), thread.join(LIMIT)))
        assert inside.wait(LIMIT)
        return thread.native_id, end


@pytest.fixture
def made():
    """Makes an affinity of so many cores, with its system and its crew."""
    with ExitStack() as stack:

        def make(cores):
            system = System(cores)
            affinity = Affinity(lambda: system.cores, system.move)
            return system, affinity, stack.enter_context(Crew(affinity))

        yield make


def test_the_gate_with_most_of_the_work_has_a_core_that_nobody_else_uses(made):
    system, affinity, crew = made({0, 1})
    first, *others = crew.join(78_400, 3_000, 600, 0.0, HELPER)
    with affinity.held():
        (own,) = system.of(first)
        assert [system.of(other) for other in others] == [{0, 1} - {own}] * 4


@given(st.sets(st.integers(0, 63), min_size=1, max_size=6), st.lists(st.none() | st.integers(0, 1000), max_size=9))
def test_each_own_core_is_deserved_and_alone_and_one_stays_for_all(cores, costs):
    system = System(cores)
    affinity = Affinity(lambda: system.cores, system.move)
    with Crew(affinity) as crew, affinity.held():
        threads = crew.join(*costs)
        actors = [cost for cost in costs if cost is not HELPER]
        told = dict(zip(threads, map(system.of, threads), strict=True))
        own = {thread for thread, where in told.items() if where != system.cores and len(where) == 1}
        own -= {thread for thread, where in told.items() if list(told.values()).count(where) > 1}
        shared = system.cores.difference(*(told[thread] for thread in own))
        assert shared
        for thread, cost in zip(threads, costs, strict=True):
            if thread in own:
                assert cost is not HELPER and cost * len(cores) > sum(actors)
            else:
                assert told[thread] == shared


@pytest.mark.parametrize(
    ("cores", "costs"),
    [
        ({0, 1}, [1000, 10]),  # a core for each
        ({0, 1, 2}, [1000, 10, 10]),
        ({0, 1}, [400, 400, 400]),  # none has more than its share
        ({0, 1}, [0.0, 0.0, 0.0]),
        ({5}, [1000, 10, 10]),  # one core is everybody's
        (set(), [1000, 10, 10]),  # a system that does not tell
        ({0, 1}, [HELPER, HELPER, 1000]),
    ],
)
def test_where_it_would_not_help_nobody_is_moved(cores, costs, made):
    system, affinity, crew = made(cores)
    crew.join(*costs)
    with affinity.held():
        assert system.told == {}


def test_nobody_is_moved_who_is_not_in_a_held_process(made):
    system, _, crew = made({0, 1})
    crew.join(1000, 10, 10)
    assert system.told == {}


def test_all_may_run_everywhere_again_when_the_last_holder_has_let_go(made):
    system, affinity, crew = made({2, 7})
    threads = crew.join(1000, 10, 10)
    with affinity.held():
        with affinity.held():
            pass
        assert len(system.of(threads[0])) == 1
    assert [system.of(thread) for thread in threads] == [{2, 7}] * 3


def test_a_member_that_comes_or_goes_changes_where_the_others_run(made):
    system, affinity, crew = made({0, 1})
    with affinity.held():
        first, second = crew.join(1000, 10)
        assert system.told == {}
        _, leave = crew._join(0.0)
        assert len(system.of(first)) == 1 and system.of(first).isdisjoint(system.of(second))
        leave()
        assert system.of(first) == system.of(second) == {0, 1}


def test_a_thread_that_is_no_member_any_more_may_run_everywhere(made):
    system, affinity, crew = made({0, 1})
    with affinity.held():
        crew.join(10, 10)
        first, leave = crew._join(1000)
        assert len(system.of(first)) == 1
        leave()
        assert system.of(first) == {0, 1}


def test_a_thread_that_cannot_be_moved_stays_and_the_others_are(made):
    system, affinity, crew = made({0, 1})
    first, second, third = crew.join(1000, 10, 10)
    system.refuses = {first}
    with affinity.held():
        assert system.of(first) == {0, 1}
        assert len(system.of(second)) == 1 and system.of(second) == system.of(third)


def test_whoever_failed_in_its_block_is_no_member_any_more(made):
    system, affinity, crew = made({0, 1})
    crew.join(10, 10)
    with pytest.raises(ZeroDivisionError), affinity.member(1000):
        raise ZeroDivisionError
    with affinity.held():
        assert system.told == {}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity") or cores() < 2, reason="one core, or none to choose")
def test_the_system_s_threads_are_really_moved_and_come_back():
    allowed = os.sched_getaffinity(os.getpid())
    affinity = Affinity()
    with Crew(affinity) as crew:
        first, *others = crew.join(1000 * len(allowed), *[1] * len(allowed))
        with affinity.held():
            own = os.sched_getaffinity(first)
            assert len(own) == 1 and all(os.sched_getaffinity(other) == allowed - own for other in others)
        assert all(os.sched_getaffinity(thread) == allowed for thread in (first, *others))
    assert os.sched_getaffinity(os.getpid()) == allowed
