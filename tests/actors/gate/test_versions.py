"""The versions of a gate's parameters: each replaces the one before, which stays as it was."""

import numpy as np
import pytest

from akkordeon_dask import Gate, nn, optim
from akkordeon_dask.actors.gate._state import GateCounts
from akkordeon_dask.actors.gate._versions import Versions
from akkordeon_dask.nn import Key
from akkordeon_dask.tree import map_leaves
from tests.support.gate_harness import bits


class Failing(optim.SGD):
    """Cannot update any more."""

    def update(self, *arguments, **options):
        raise ArithmeticError("no update")


def versions_of(optimizer=None, *, synchronous=False, **policies):
    gate = Gate(nn.Linear(4, 3), optimizer or optim.SGD(0.1, momentum=0.9), **policies)
    return Versions(gate, gate.chain, GateCounts(), key=Key((3,)), synchronous=synchronous)


def ones(versions):
    return map_leaves(np.ones_like, versions.present.params)


def updated(versions):
    return versions.update(ones(versions), versions.present, samples=2, weight=2.0)


CHANGES = {
    "update": updated,
    "slow": lambda versions: versions.slow(0.5),
    "replace": lambda versions: versions.replace(*versions.prepare(ones(versions))),
    "rewind": lambda versions: versions.rewind(versions.present, 0.5),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_makes_another_version_and_leaves_the_former_one_as_it_was(change):
    versions = versions_of()
    updated(versions)
    former = versions.present
    content = bits((former.params, former.state.slots)), former.state.rate, former.number
    change(versions)
    assert versions.present is not former and versions.present.number >= former.number
    assert (bits((former.params, former.state.slots)), former.state.rate, former.number) == content


def test_a_synchronous_gate_updates_at_the_end_of_a_step_only_and_once():
    versions = versions_of(synchronous=True)
    params = versions.present.params
    assert not versions.end_step()
    assert updated(versions) and updated(versions)
    assert (versions.accumulated, versions.trained) == (2, (0, 4)) and bits(versions.present.params) == bits(params)
    assert versions.end_step() and not versions.end_step()
    assert (versions.accumulated, versions.trained) == (0, (1, 4)) and bits(versions.present.params) != bits(params)


def test_a_step_whose_update_fails_leaves_nothing_accumulated_and_the_parameters_as_they_were():
    versions = versions_of(Failing(0.1), synchronous=True)
    params = versions.present.params
    updated(versions)
    with pytest.raises(ArithmeticError, match="no update"):
        versions.end_step()
    assert (versions.accumulated, versions.trained[0]) == (0, 0) and versions.present.params is params


def test_a_stale_gradient_is_no_part_of_the_version_and_a_late_one_is():
    versions = versions_of(max_delay=1)
    first = versions.present
    assert updated(versions)
    assert versions.update(ones(versions), first, samples=2, weight=2.0)
    present = versions.present
    assert not versions.update(ones(versions), first, samples=2, weight=2.0)
    assert versions.present is present and (present.number, present.samples) == (2, 4)
