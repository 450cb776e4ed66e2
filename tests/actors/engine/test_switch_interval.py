"""Threads that wait for the interpreter get it sooner while actors compute, and afterwards as before."""

import asyncio
import sys

import pytest

from akkordeon_dask.actors.engine._dispatcher import Dispatcher
from akkordeon_dask.actors.engine._switch_interval import SWITCH_INTERVAL
from tests.support.patience import PATIENCE
from tests.support.recording_behavior import RecordingBehavior


@pytest.fixture
def found():
    """What the process had before."""
    there = sys.getswitchinterval()
    sys.setswitchinterval(0.003)
    yield 0.003
    sys.setswitchinterval(there)


def at_work():
    """A dispatcher, and its cell, which has had a message."""
    dispatcher, behavior = Dispatcher(), RecordingBehavior()
    cell = dispatcher.cell("actor", behavior)
    cell.put("hold")
    assert behavior.entered.wait(PATIENCE)
    behavior.held.set()
    return dispatcher, cell


def end(dispatcher, cell):
    cell.stop()
    asyncio.run(cell.stopped(PATIENCE))
    dispatcher.join(PATIENCE)


def test_it_is_short_from_the_first_message_to_the_end_of_the_last_dispatcher(found):
    one = at_work()
    other = at_work()
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
    end(*one)
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
    end(*other)
    assert sys.getswitchinterval() == pytest.approx(found)


@pytest.mark.parametrize("own", [SWITCH_INTERVAL / 2, 0.02])
def test_what_somebody_sets_meanwhile_stays(found, own):
    one = at_work()
    sys.setswitchinterval(own)
    end(*one)
    assert sys.getswitchinterval() == pytest.approx(own)


@pytest.mark.usefixtures("found")
def test_a_shorter_one_is_not_made_longer():
    sys.setswitchinterval(SWITCH_INTERVAL / 2)
    one = at_work()
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL / 2)
    end(*one)
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL / 2)
