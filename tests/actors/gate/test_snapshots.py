"""Who writes a gate's snapshots, over all its lives."""

import asyncio
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest

from akkordeon_dask import optim
from akkordeon_dask.actors import GateActor
from akkordeon_dask.actors.gate import _actor
from akkordeon_dask.actors.gate._snapshots import GateSnapshots, load_version
from akkordeon_dask.actors.gate._state import Version
from akkordeon_dask.snapshots import SnapshotPolicy


def version(number):
    params = {"w": np.full(3, number, np.float32)}
    return Version(number, params, optim.Adam(0.1).init(params))


def keeper(keeping):
    return GateSnapshots(keeping, "g0", 1, tell=lambda event, text: None)


def written(keeper, number):
    keeper.write_version(version(number), 0.0)
    keeper.flush(20)


def test_a_life_that_was_only_stopped_writes_what_is_older_whatever_its_number(tmp_path):
    keeping = SnapshotPolicy(str(tmp_path))
    ghost = keeper(keeping)
    written(ghost, 10)
    successor = keeper(keeping)
    written(successor, 11)
    written(ghost, 99)
    assert load_version(keeping, "g0", version(0)).number == 11
    third = keeper(keeping)
    written(third, 5)  # a rewind had gone back
    written(successor, 12)
    assert load_version(keeping, "g0", version(0)).number == 5
    for one in (ghost, successor, third):
        one.close(None, 20)


def test_a_life_that_began_while_the_place_was_away_writes_the_newer_too(tmp_path):
    there, away = tmp_path / "place", tmp_path / "away"
    keeping = SnapshotPolicy(str(there))
    former = keeper(keeping)
    former.raise_generation(7)
    written(former, 10)
    former.close(None, 20)
    there.rename(away)
    there.write_bytes(b"no folder")
    successor = keeper(keeping)
    written(successor, 11)
    assert successor.last is None and successor.error
    there.unlink()
    away.rename(there)
    written(successor, 12)
    assert load_version(keeping, "g0", version(0)).number == successor.last == 12
    successor.close(None, 20)


def test_an_owner_takes_over_who_writes_already(tmp_path):
    keeping = SnapshotPolicy(str(tmp_path))
    former, present = keeper(keeping), keeper(keeping)
    present.raise_generation(7)
    written(present, 1)
    former.raise_generation(6)
    written(former, 99)
    assert load_version(keeping, "g0", version(0)).number == 1
    present.raise_generation(3)
    written(present, 2)
    assert load_version(keeping, "g0", version(0)).number == 2
    for one in (former, present):
        one.close(None, 20)


class Ending(GateActor):
    """A gate that writes down what its end does."""

    def __init__(self):
        self.key, self.done, self._closing = "gate", [], asyncio.Event()
        self._loop = SimpleNamespace(call_soon_threadsafe=self.done.append)

    def _end_snapshots(self):
        self.done.append("kept")


def test_a_gate_whose_blas_threads_cannot_be_given_back_still_keeps_its_end(monkeypatch):
    monkeypatch.setattr(_actor, "release_blas", Mock(side_effect=TimeoutError("BLAS hangs")))
    gate = Ending()
    with pytest.raises(TimeoutError, match="BLAS hangs"):
        gate._ended()
    assert gate.done == ["kept", gate._closing.set]
