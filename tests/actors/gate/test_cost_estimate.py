"""Cheap computations: run at once, and beside the expensive ones."""

from dataclasses import dataclass
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from akkordeon_dask import nn
from akkordeon_dask.actors.engine import _cell
from akkordeon_dask.actors.engine._cell import ActorCell
from akkordeon_dask.actors.engine._helpers import Helpers
from akkordeon_dask.actors.gate import _behavior, _computations
from akkordeon_dask.actors.gate._computations import CostEstimate
from tests.actors.gate.test_behavior_helped import help_out
from tests.support.gate_harness import Bench
from tests.support.no_load import Still

LIGHT, HEAVY = 1e-5, 1e-2
"""Seconds of CPU."""

cpu = SimpleNamespace(now=0.0, forward=0.0, backward=0.0, during=lambda: None)
"""The CPU clock, the cost of each pass of the layer below, and the function that its forward pass calls."""


@dataclass(frozen=True, repr=False)
class Costly(nn.Tanh):
    def forward(self, params, x, **options):
        cpu.now += cpu.forward
        cpu.during()
        return super().forward(params, x, **options)

    def backward(self, context, dy, **options):
        cpu.now += cpu.backward
        return super().backward(context, dy, **options)


@pytest.fixture(autouse=True)
def _cpu(monkeypatch):
    monkeypatch.setattr(_computations, "time", SimpleNamespace(thread_time=lambda: cpu.now))
    monkeypatch.setattr(cpu, "during", lambda: None)


@pytest.fixture
def two(monkeypatch):
    """One helper beside the gate's thread."""
    helpers = Helpers(2, background=Still)
    helpers.start()
    monkeypatch.setattr(_cell, "helpers", helpers)
    monkeypatch.setattr(_behavior, "helpers", helpers)
    yield helpers
    helpers.stop()


def bench(**options):
    return Bench(nn.Linear(4, 3) >> Costly(), **options)


def takes(forward, backward):
    cpu.forward, cpu.backward = forward, backward


def test_a_first_computation_is_not_cheap_and_later_ones_follow_their_cost():
    effort = CostEstimate()
    assert not effort.is_cheap
    effort.update(LIGHT)
    assert effort.is_cheap
    effort.update(HEAVY)
    assert not effort.is_cheap


def test_one_slow_run_in_many_does_not_make_a_computation_expensive():
    effort = CostEstimate()
    for _ in range(50):
        effort.update(LIGHT)
    effort.update(50 * LIGHT)
    assert effort.is_cheap


@pytest.mark.parametrize("helped", [False, True])
@pytest.mark.parametrize(("forward", "backward"), [(LIGHT, HEAVY), (HEAVY, LIGHT)])
def test_passes_forward_and_back_are_judged_apart(forward, backward, helped):
    takes(forward, backward)
    gate, seen = bench(helped=helped), []
    gate.behavior.assist = lambda work: seen.append(work) or (helped and not gate.taken.append(work))
    for sequence in range(5):
        for step in (gate.forward, gate.backward):
            step(sequence)
            if helped:
                help_out(gate)
    assert [work.cheap for work in seen] == [False, False, *[forward < backward, backward < forward] * 4]


@pytest.mark.parametrize(("seconds", "free"), [(LIGHT, True), (HEAVY, False)])
def test_a_cheap_computation_keeps_no_core_from_a_helper(two, seconds, free):
    takes(seconds, seconds)
    gate, offered = bench(), []
    gate.forward(0)
    cpu.during = lambda: offered.append(two.offer(lambda: None))
    gate.forward(1)
    assert offered == [free]


@pytest.mark.parametrize(("cheap", "waiting", "left"), [(False, 1, True), (True, 1, False), (False, 0, False)])
def test_a_helper_gets_an_expensive_computation_while_another_batch_waits(two, cheap, waiting, left):
    done = []
    cell = ActorCell.__new__(ActorCell)
    cell.mailbox = MagicMock(put=done.append, **{"__len__.return_value": waiting})
    work = SimpleNamespace(cheap=cheap, compute=lambda: done.append("computed"))
    assert cell.assist(work, send=lambda result: done.append("sent")) is left
    two.stop()
    assert done == ["computed", work, "sent"] * left
