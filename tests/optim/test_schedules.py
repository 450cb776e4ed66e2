"""Learning rates as functions of the number of updates."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akkordeon_dask.optim import Constant, Cosine, Schedule, Step, WarmUp
from tests.support.for_each import for_each

VALUES = [
    (Constant(0.25), {0: 0.25, 1: 0.25, 10**9: 0.25}),
    (Step(1.0, 10), {0: 1.0, 9: 1.0, 10: 0.1, 19: 0.1, 20: 0.01}),
    (Step(1.0, 1, factor=0.5), {0: 1.0, 1: 0.5, 2: 0.25, 5000: 0.0}),
    (Cosine(1.0, 100), {0: 1.0, 25: 0.8535533905932737, 50: 0.5, 75: 0.14644660940672624, 100: 0.0, 101: 0.0}),
    (Cosine(1.0, 1, final=0.5), {0: 1.0, 1: 0.5, 2: 0.5}),
    (WarmUp(4, 1.0), {0: 0.25, 1: 0.5, 2: 0.75, 3: 1.0, 4: 1.0, 10**9: 1.0}),
    (WarmUp(1, 0.5), {0: 0.5, 1: 0.5}),
    (WarmUp(2, Step(1.0, 3)), {0: 0.5, 1: 1.0, 2: 1.0, 4: 1.0, 5: 0.1, 8: 0.01}),
    (WarmUp(2, Cosine(1.0, 2, final=0.5)), {0: 0.5, 1: 1.0, 2: 1.0, 3: 0.75, 4: 0.5, 9: 0.5}),
    (WarmUp(2, WarmUp(2, 1.0)), {0: 0.25, 1: 0.5, 2: 0.5, 3: 1.0, 4: 1.0}),
]


@for_each("schedule, expected", VALUES)
def test_learning_rates_at_the_edges(schedule, expected):
    assert {count: schedule(count) for count in expected} == pytest.approx(expected, rel=1e-14, abs=1e-300)


def test_a_schedule_is_a_function_of_the_count_alone(schedule):
    in_turn = [schedule(count) for count in range(300)]
    assert [schedule(count) for count in reversed(range(300))] == in_turn[::-1]
    assert all(type(lr) is float and lr >= 0 for lr in in_turn)


rates = st.floats(1e-6, 10)


@given(st.integers(1, 200), rates, st.one_of(st.none(), st.integers(1, 50)))
def test_a_warm_up_rises_in_equal_steps_to_what_follows(updates, lr, every):
    then = lr if every is None else Step(lr, every)
    schedule = WarmUp(updates, then)
    rising = [schedule(count) for count in range(updates)]
    assert rising == sorted(set(rising)), "each is above the one before"
    assert rising[0] == pytest.approx(lr / updates) and rising[-1] == lr
    gaps = [above - below for below, above in pairwise(rising)]
    assert gaps == pytest.approx([lr / updates] * (updates - 1), rel=1e-9)
    after = then if isinstance(then, Schedule) else Constant(then)
    assert all(schedule(updates + count) == after(count) for count in range(100))


@given(st.integers(1, 300), rates, st.floats(0, 1))
def test_a_cosine_falls_and_then_stays(updates, lr, share):
    schedule = Cosine(lr, updates, final=lr * share)
    falling = [schedule(count) for count in range(updates + 1)]
    assert falling[0] == pytest.approx(lr, rel=1e-14) and falling[-1] == lr * share
    assert all(below <= above * (1 + 1e-14) for above, below in pairwise(falling))
    assert schedule(updates + 1) == schedule(10 * updates) == lr * share


@given(st.integers(1, 50), rates, st.floats(0.01, 1))
def test_a_step_multiplies_once_every_so_many_updates(every, lr, factor):
    schedule = Step(lr, every, factor=factor)
    for count in range(3 * every):
        assert schedule(count + every) == pytest.approx(schedule(count) * factor)
        assert schedule(count) == schedule(count - count % every)
