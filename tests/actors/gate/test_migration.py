"""A gate's next life goes on exactly where the former one ended."""

import asyncio
import dataclasses
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from akkordeon_dask import nn, optim
from akkordeon_dask.actors.gate._life import GateLife
from akkordeon_dask.errors import ClosedError
from akkordeon_dask.memory import ALIGNMENT, aligned
from akkordeon_dask.tree import leaves, map_leaves
from tests.support.gate_harness import Bench, bits
from tests.support.numbered_samples import BACK, FRONT

ADAM = optim.Adam(0.01)


def next_life(former, optimizer=ADAM):
    """Another bench with a gate that was handed over by pickle."""
    heir = Bench(optimizer=optimizer)
    heir.core.take_over(pickle.loads(pickle.dumps(former.core.hand_over())))
    return heir


def test_it_computes_what_the_former_one_would_have():
    alone, former = Bench(optimizer=ADAM), Bench(optimizer=ADAM)
    for sequence in range(3):
        alone.round(sequence)
        former.round(sequence)
    heir = next_life(former)
    assert heir.number == 3 and bits(heir.core.version.params) == bits(alone.core.version.params)
    for sequence in range(3, 6):
        alone.round(sequence)
        heir.round(sequence)
    assert bits(heir.core.version.params) == bits(alone.core.version.params)
    assert bits(heir.core.version.state.slots) == bits(alone.core.version.state.slots)
    assert heir.core.version.state.count == 6


def test_the_former_one_works_on_nothing_more_until_it_is_told_to():
    bench = Bench()
    bench.forward(0)
    bench.core.hand_over()
    assert bench.backward(0) == bench.forward(1) == []
    assert bench.dropped == {"gate moved away": 2} and bench.number == 0
    bench.core.migrating = False
    assert len(bench.backward(0)) == 1 and bench.number == 1


def test_promise_7_a_batch_that_the_former_one_was_updated_with_is_not_applied_again():
    former = Bench()
    former.round(0)
    former.round(1)
    former.forward(2)
    heir = next_life(former, optim.SGD(0.1))
    out, back = heir.round(1, attempt=2)
    assert (out.to, back.to) == (BACK, FRONT)
    assert heir.number == 2 and heir.dropped == {"second update of a batch": 1}
    heir.round(2, attempt=2)
    assert heir.number == 3


def test_promise_7_what_was_finished_before_stays_finished():
    former = Bench()
    former.round(0)
    former.round(1, floor=1)
    heir = next_life(former)
    assert heir.forward(0, attempt=2) == [] and heir.dropped == {"finished batch": 1}


def test_it_waits_for_a_helper_that_is_at_a_batch():
    bench = Bench(helped=True)
    bench.forward(0)
    assert bench.core.hand_over() is None
    (work,) = bench.taken
    work.compute()
    bench.core.receive(work)
    assert bench.core.hand_over() is not None


def test_rates_that_were_lowered_stay_so():
    former = Bench(optimizer=ADAM)
    version = former.core.version
    former.core.version = version._replace(state=version.state.slowed(0.25))
    heir = next_life(former)
    heir.round(0)
    assert heir.core.version.state.rate == 0.25


def unaligned(x):
    """The same numbers off every grid."""
    room = np.empty(x.nbytes + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT + 1
    room[start : start + x.nbytes] = x.ravel().view(np.uint8)
    return room[start : start + x.nbytes].view(x.dtype).reshape(x.shape)


def test_what_came_off_the_grid_of_the_kernels_is_put_onto_it():
    wide = nn.Linear(4, 4096) >> nn.Linear(4096, 3)
    former, heir = Bench(wide, ADAM), Bench(wide, ADAM)
    handover = former.core.hand_over()
    version, state = handover.version, handover.version.state
    params = map_leaves(unaligned, version.params)
    state = dataclasses.replace(state, slots=map_leaves(unaligned, state.slots))
    assert not any(leaf.flags.aligned for leaf in leaves(params) + leaves(state.slots))
    heir.core.take_over(handover._replace(version=version._replace(params=params, state=state)))
    mine = leaves(heir.core.version.params) + leaves(heir.core.version.state.slots)
    assert all(leaf.flags.aligned for leaf in mine)
    assert all(leaf.ctypes.data % ALIGNMENT == 0 for leaf in mine if leaf.nbytes >= 32 * 1024)
    assert bits(heir.core.version.params) == bits(version.params)


def test_parameters_that_are_put_into_a_gate_are_put_onto_the_grid_too():
    gate = Bench(nn.Linear(4, 4096) >> nn.Linear(4096, 3), ADAM)
    params = gate.core.version.params
    for crooked in (unaligned, lambda leaf: leaf.astype(leaf.dtype.newbyteorder(">"))):
        gate.core.replace(map_leaves(crooked, params))
        mine = leaves(gate.core.version.params) + leaves(gate.core.version.state.slots)
        assert all(leaf is aligned(leaf) for leaf in mine)
        assert bits(gate.core.version.params) == bits(params)


class Busy(GateLife):
    """A gate whose helpers never come to an end."""

    def __init__(self):
        self.asked = asyncio.Event()
        self._core = SimpleNamespace(name="g7", migrating=False, hand_over=self._refuse)
        self.address = SimpleNamespace(worker="tcp://here")

    def _refuse(self):
        self._core.migrating = True
        self.asked.set()

    async def _call(self, function):
        return function()


def test_who_is_told_to_go_on_while_it_is_asked_for_its_state_goes_on():
    async def story():
        gate = Busy()
        handing = asyncio.create_task(gate.hand_over())
        await gate.asked.wait()
        await gate.cancel_migration()
        with pytest.raises(ClosedError, match="'g7' on tcp://here goes on after all"):
            await handing
        assert not gate._core.migrating

    asyncio.run(asyncio.wait_for(story(), 10))
