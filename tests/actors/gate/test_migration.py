"""A migrated gate continues exactly where its former incarnation stopped."""

import dataclasses
import pickle

import numpy as np
import pytest

from akkordeon_dask import nn, optim
from akkordeon_dask.errors import DeploymentError
from akkordeon_dask.memory import ALIGNMENT, aligned
from akkordeon_dask.tree import leaves, map_leaves
from tests.support.gate_harness import Bench, bits
from tests.support.numbered_samples import BACK, FRONT

ADAM = optim.Adam(0.01)


def next_life(former, optimizer=ADAM):
    """Another bench with a gate that was handed over by pickle."""
    heir = Bench(optimizer=optimizer)
    heir.behavior.import_state(pickle.loads(pickle.dumps(former.behavior.export_state())))
    return heir


def test_a_migrated_gate_computes_the_same_as_one_that_stayed():
    alone, former = Bench(optimizer=ADAM), Bench(optimizer=ADAM)
    for sequence in range(3):
        alone.round(sequence)
        former.round(sequence)
    heir = next_life(former)
    assert heir.number == 3 and bits(heir.version.params) == bits(alone.version.params)
    for sequence in range(3, 6):
        alone.round(sequence)
        heir.round(sequence)
    assert bits(heir.version.params) == bits(alone.version.params)
    assert bits(heir.version.state.slots) == bits(alone.version.state.slots)
    assert heir.version.state.count == 6


def test_a_migrating_gate_computes_nothing_more_until_it_resumes():
    bench = Bench()
    bench.forward(0)
    bench.behavior.export_state()
    assert bench.backward(0) == bench.forward(1) == []
    assert bench.dropped == {"gate moved away": 2} and bench.number == 0
    bench.behavior.resume()
    assert len(bench.backward(0)) == 1 and bench.number == 1


@pytest.mark.parametrize("change", [lambda gate: gate.slow(0.5), lambda gate: gate.rewind(gate.versions.present, 0.5)])
def test_a_change_that_the_next_incarnation_would_not_learn_of_is_refused(change):
    behavior = Bench().behavior
    before, _ = behavior.versions.present, behavior.export_state()
    with pytest.raises(DeploymentError, match="gate 'g7' moves to another worker: try again"):
        change(behavior)
    assert behavior.versions.present is before
    behavior.resume()
    change(behavior)
    assert behavior.versions.present.state.rate == 0.5


def test_promise_7_a_batch_that_was_applied_before_the_migration_is_not_applied_again():
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


def test_promise_7_batches_finished_before_the_migration_stay_finished():
    former = Bench()
    former.round(0)
    former.round(1, floor=1)
    heir = next_life(former)
    assert heir.forward(0, attempt=2) == [] and heir.dropped == {"finished batch": 1}


def test_lowered_learning_rates_migrate():
    former = Bench(optimizer=ADAM)
    version = former.version
    former.behavior.versions.present = version._replace(state=version.state.slowed(0.25))
    heir = next_life(former)
    heir.round(0)
    assert heir.version.state.rate == 0.25


def unaligned(x):
    """The same numbers off every grid."""
    room = np.empty(x.nbytes + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT + 1
    room[start : start + x.nbytes] = x.ravel().view(np.uint8)
    return room[start : start + x.nbytes].view(x.dtype).reshape(x.shape)


def test_misaligned_arrays_are_aligned_by_the_migration():
    wide = nn.Linear(4, 4096) >> nn.Linear(4096, 3)
    former, heir = Bench(wide, ADAM), Bench(wide, ADAM)
    handover = former.behavior.export_state()
    version, state = handover.version, handover.version.state
    params = map_leaves(unaligned, version.params)
    state = dataclasses.replace(state, slots=map_leaves(unaligned, state.slots))
    assert not any(leaf.flags.aligned for leaf in leaves(params) + leaves(state.slots))
    heir.behavior.import_state(handover._replace(version=version._replace(params=params, state=state)))
    mine = leaves(heir.version.params) + leaves(heir.version.state.slots)
    assert all(leaf.flags.aligned for leaf in mine)
    assert all(leaf.ctypes.data % ALIGNMENT == 0 for leaf in mine if leaf.nbytes >= 32 * 1024)
    assert bits(heir.version.params) == bits(version.params)


def test_replaced_parameters_are_aligned_too():
    gate = Bench(nn.Linear(4, 4096) >> nn.Linear(4096, 3), ADAM)
    params = gate.version.params
    for crooked in (unaligned, lambda leaf: leaf.astype(leaf.dtype.newbyteorder(">"))):
        gate.behavior.replace(*gate.behavior.versions.prepare(map_leaves(crooked, params)))
        mine = leaves(gate.version.params) + leaves(gate.version.state.slots)
        assert all(leaf is aligned(leaf) for leaf in mine)
        assert bits(gate.version.params) == bits(params)
