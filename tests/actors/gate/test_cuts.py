"""A gate keeps its parts of the last cuts, for as long as anybody may ask for them."""

import asyncio

import pytest

from akkordeon_dask import config
from akkordeon_dask.actors import GateActor
from akkordeon_dask.actors.gate._cuts import TakenCuts
from akkordeon_dask.errors import CheckpointError
from tests.support.gate_harness import Bench


class Timers:
    """The timers of a loop whose time passes when the test says so."""

    def __init__(self):
        self.now, self._due = 0.0, []

    def call_later(self, seconds, function, *arguments):
        self._due.append((self.now + seconds, function, arguments))

    def pass_time(self, seconds):
        self.now += seconds
        due, self._due = self._due, []
        for at, function, arguments in due:
            if at <= self.now:
                function(*arguments)
            else:
                self._due.append((at, function, arguments))


class CutGate(GateActor):
    """A gate without a worker, of which cuts are taken and whose parts are asked for."""

    def __init__(self):
        self._behavior, self._timers = Bench().behavior, Timers()
        self._cuts = TakenCuts("gate 'g7' here", self._timers)

    async def _call(self, function):
        return function()

    def take(self, *names):
        for name in names:
            asyncio.run(self.take_cut(name, {}))

    def has(self, name):
        """Ask for its part of this cut, which it then forgets."""
        try:
            return self._cuts.take(name).name == name
        except CheckpointError:
            return False

    def pass_time(self, share):
        self._timers.pass_time(share * config.seconds("timeouts.control"))


def test_parts_that_nobody_asks_for_are_forgotten_in_time_also_when_another_cut_was_taken_after_them():
    gate = CutGate()
    gate.take("a")
    gate.pass_time(0.5)
    gate.take("b")
    gate.pass_time(0.5)
    gate.take("c")
    gate.pass_time(0.5)
    assert not gate.has("b")
    gate.pass_time(0.5)
    assert not gate.has("c")


def test_a_part_is_there_until_it_was_asked_for_or_its_time_is_up():
    gate = CutGate()
    gate.take("a", "b")
    gate.pass_time(0.9)
    assert gate.has("a") and not gate.has("a")
    assert gate.has("b")


def test_a_gate_keeps_the_parts_of_two_cuts_and_forgets_older_ones():
    gate = CutGate()
    gate.take("a", "b", "c")
    assert not gate.has("a")
    assert gate.has("b") and gate.has("c")


def test_a_part_that_is_not_there_is_named():
    with pytest.raises(CheckpointError, match=r"^gate 'g7' here has no part of cut 'a'$"):
        asyncio.run(CutGate().write_part("a", 1.0))
