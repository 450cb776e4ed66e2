"""The order of turns: the most urgent lane first across all actors, and new work only when nothing old is ready."""

from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask.actors.engine._cell import Cell
from akkordeon_dask.actors.engine._mailbox import BACKWARD, CONTROL, ENTRY, FORWARD
from akkordeon_dask.messages import Backward, Forward
from tests.actors.engine.test_mailbox import backward, forward
from tests.support.computing_behavior import ComputingBehavior
from tests.support.recording_behavior import RecordingBehavior
from tests.support.stepped_engine import SteppedEngine


def cells_of(engine, count, *, entries=(), behavior=RecordingBehavior):
    cells = [Cell(engine, f"actor {number}", behavior()) for number in range(count)]
    for number in entries:
        cells[number].mailbox.entry = True
    while engine.step() is not None:  # their first timers
        pass
    return cells


def lane_of(cell, item):
    if isinstance(item, Backward):
        return BACKWARD
    if isinstance(item, Forward):
        return ENTRY if cell.mailbox.entry else FORWARD
    return CONTROL


makers = st.sampled_from([forward, backward, lambda number: f"control {number}"])
posts = st.lists(st.tuples(st.integers(0, 3), makers) | st.none(), max_size=60)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(posts)
def test_a_turn_goes_to_the_most_urgent_lane_of_all_actors_and_the_oldest_actor_within_it(steps):
    engine = SteppedEngine()
    cells = cells_of(engine, 4, entries=[0])
    waiting = [[] for _ in cells]
    for number, step in enumerate([*steps, *[None] * len(steps)]):
        if step is not None:
            which, make = step
            item = make(number)
            waiting[which].append(item)
            cells[which].put(item)
            continue
        lanes = [[lane_of(cell, item) for item in own] for cell, own in zip(cells, waiting, strict=True)]
        item = engine.step()
        if item is None:
            assert not any(waiting)
            continue
        (which,) = [number for number, own in enumerate(waiting) if any(item is one for one in own)]
        most_urgent = min(lane for own in lanes for lane in own)
        assert lane_of(cells[which], item) == most_urgent
        first = next(one for one in waiting[which] if lane_of(cells[which], one) == most_urgent)
        assert item is first
        waiting[which] = [one for one in waiting[which] if one is not item]


def test_actors_of_one_lane_take_turns():
    engine = SteppedEngine()
    one, two = cells_of(engine, 2)
    for sequence in range(3):
        one.put(forward(sequence))
        two.put(forward(sequence))
    for _ in range(6):
        engine.step()
    assert [len(cell.mailbox) for cell in (one, two)] == [0, 0]
    assert len(one.behavior.calls) == len(two.behavior.calls) == 4


def test_an_actor_stands_in_each_queue_once_however_often_it_gets_mail():
    engine = SteppedEngine()
    (cell,) = cells_of(engine, 1, entries=[0])
    for sequence in range(500):
        cell.put(forward(2 * sequence))
        cell.put(backward(2 * sequence + 1))
        assert isinstance(engine.step(), Backward)
        assert sum(map(len, engine._queues)) <= len(engine._queues)


def test_timers_run_when_they_are_due_and_only_then():
    engine = SteppedEngine()
    (cell,) = cells_of(engine, 1)
    cell.behavior.timers.clear()
    engine.arm(cell, 5.0)
    engine.arm(cell, 3.0)  # the newer word counts
    for now in (2.9, 3.0, 5.0):
        engine.advance(now - engine.now)
        engine.step()
    assert cell.behavior.timers == [3.0]


def test_results_come_before_calls_and_calls_wait_for_them():
    engine, taken = SteppedEngine(), []
    (cell,) = cells_of(engine, 1, behavior=ComputingBehavior)
    cell.put(forward(0))
    engine.step(detached=lambda cell, computation: taken.append(computation))
    assert not engine.claim(cell)
    cell.stop()
    cell.put(forward(1))
    assert engine.step() is None and cell.alive
    engine.deliver_result(cell, taken.pop())
    assert engine.step() is not None and "batch 0 applied" in cell.behavior.calls
    engine.step()
    assert not cell.alive and cell.behavior.calls[-1] == "stop"
