"""Figures of an actor are read beside its work."""

import asyncio
import itertools

from akkordeon_dask.actors.engine._cell import CellState
from akkordeon_dask.actors.engine._dispatcher import Dispatcher
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.recording_behavior import RecordingBehavior, run_cell


def test_figures_are_read_between_two_turns_and_before_one_that_lasts():
    behavior = RecordingBehavior()

    async def story(cell):
        def calls(of):
            assert of is cell
            return list(behavior.calls)

        cell.freeze(calls)
        cell.put("message")
        await cell.call(lambda: None, PATIENCE)
        await asyncio.to_thread(wait_until, lambda: cell.state is CellState.IDLE)  # the turn of the call is over
        fresh = await cell.read(calls)
        cell.put("hold")
        assert await asyncio.to_thread(behavior.entered.wait, PATIENCE)
        behavior.calls.append("in the turn")
        return fresh, await cell.read(calls)

    fresh, frozen = run_cell(story, behavior)
    assert "message" in fresh and frozen == fresh


def test_figures_of_a_cell_that_is_met_at_work_again_and_again_are_those_of_now(monkeypatch):
    behavior, looks, claim = RecordingBehavior(), itertools.count(), Dispatcher.claim

    async def story(cell):
        def calls(of):
            return list(behavior.calls)

        await cell.call(lambda: None, PATIENCE)
        before = await cell.read(calls)
        monkeypatch.setattr(Dispatcher, "claim", lambda scheduler, cell: next(looks) >= 20 and claim(scheduler, cell))
        behavior.calls.append("since then")
        return before, await cell.read(calls)

    before, now = run_cell(story, behavior)
    assert now == [*before, "since then"]
