"""A writer killed at any instant loses nothing that it had completed.

`AKKORDEON_KILLS=200` makes it the long form.
"""

import os
import random
import time
from pathlib import Path

import pytest

from akkordeon_dask.snapshots import Store
from tests.support.endless_snapshots import tree
from tests.support.patience import PATIENCE, scaled_seconds
from tests.support.programs import started
from tests.support.snapshot_trees import logged, same

PROGRAM = Path(__file__).parents[1] / "support" / "endless_snapshots.py"
KILLS = int(os.environ.get("AKKORDEON_KILLS", "20"))


def kill_once(folder, rng):
    """Start a writer and kill it at any moment; returns the last number that it reported as complete."""
    with started(PROGRAM, folder) as process:
        numbers = [process.stdout.readline() for _ in range(rng.randrange(1, 4))]
        # Nothing is waited for: this picks the instant, over about three snapshots.
        time.sleep(rng.uniform(0, 0.03))
        process.kill()
        # Not `communicate`: it would pass over what readline has read ahead.
        numbers += process.stdout.readlines()
        errors = process.stderr.read()
        process.wait(timeout=PATIENCE)
    assert errors == "" and all(line.endswith("\n") for line in numbers)
    return int(numbers[-1])


@pytest.mark.timeout(scaled_seconds(60 + 5 * KILLS))
def test_the_newest_complete_snapshot_loads_whenever_its_writer_was_killed(tmp_path):
    rng = random.Random(20)
    begun = 0
    for _ in range(KILLS):
        numbers = kill_once(tmp_path, rng)
        with logged() as lines:
            saved = Store(tmp_path).load("g0")
        assert begun < numbers <= saved.number <= numbers + 1
        assert same(saved.tree, tree(saved.number)) and saved.facts == {"at": saved.number}
        assert lines == []
        begun = saved.number
