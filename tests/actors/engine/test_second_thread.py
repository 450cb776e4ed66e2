"""What threads do beside the one that leads."""

import threading

import pytest

from akkordeon_dask.actors.engine._mailbox import BACKWARD, LANES
from tests.actors.engine.test_mailbox import forward
from tests.support.computing_behavior import ComputingBehavior
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.recording_behavior import RecordingBehavior
from tests.support.standing_clock import Clock

HEAVY_BATCHES = [0.0 if lane < BACKWARD else 1.0 for lane in LANES]
"""Costs of an actor's messages, in seconds."""


@pytest.fixture
def computing_beside_a_leader(dispatchers):
    """A thread computes batch 0 of the first actor until `go`, another one leads and is held by the second actor."""
    begun, go, others = threading.Event(), threading.Event(), RecordingBehavior()
    heavy, leading = ComputingBehavior(lambda: (begun.set(), go.wait(PATIENCE))), RecordingBehavior()
    _, cells = dispatchers(2, [heavy, leading, others], clock=Clock())
    wait_until(lambda: all(one.calls == ["on_timer"] for one in (heavy, leading, others)))
    cells[0].mailbox.entry = True
    cells[0].costs = list(HEAVY_BATCHES)
    cells[0].put(forward(0))
    assert begun.wait(PATIENCE)
    cells[1].put("hold")
    assert leading.entered.wait(PATIENCE)
    return cells, heavy, others, go


def test_who_has_computed_hands_the_result_over_and_begins_what_waited_for_it(computing_beside_a_leader):
    (cell, *_), heavy, _, go = computing_beside_a_leader
    cell.put(forward(1))
    go.set()
    wait_until(lambda: "batch 1 sent" in heavy.calls)
    applied = [call for call in heavy.calls if call.endswith("applied")]
    assert applied == ["batch 0 applied", "batch 1 applied"]


def test_a_thread_beside_the_leader_takes_new_heavy_work_then_light_work(computing_beside_a_leader):
    (cell, _, light), heavy, others, go = computing_beside_a_leader
    light.put("old")
    cell.put(forward(1))
    found = []
    heavy.run_it = lambda: found.append(list(others.calls))
    go.set()
    wait_until(lambda: "batch 1 sent" in heavy.calls and "old" in others.calls)
    assert found == [["on_timer"]]


def test_one_thread_helps_the_leader_with_light_work_and_others_park(dispatchers):
    begun, go = threading.Barrier(3, timeout=PATIENCE), [threading.Event(), threading.Event()]
    heavy = [ComputingBehavior(lambda go=one: (begun.wait(), go.wait(PATIENCE))) for one in go]
    light = [RecordingBehavior() for _ in range(3)]
    dispatcher, cells = dispatchers(3, [*heavy, *light], clock=Clock())
    wait_until(lambda: all(one.calls == ["on_timer"] for one in (*heavy, *light)))
    for cell in cells[:2]:
        cell.costs = list(HEAVY_BATCHES)
        cell.put(forward(0))
    begun.wait()
    cells[2].put("hold")
    assert light[0].entered.wait(PATIENCE)
    cells[3].put("hold")
    go[0].set()
    assert light[1].entered.wait(PATIENCE)
    cells[4].put("left")
    go[1].set()
    wait_until(lambda: "batch 0 sent" in heavy[1].calls and len(dispatcher._parked) == 1)
    assert light[2].calls == ["on_timer"]
    light[0].held.set()
    wait_until(lambda: "left" in light[2].calls)
