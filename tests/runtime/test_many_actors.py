"""Connections and open files are as many as the workers need, however many actors there are."""

import json
import subprocess
import sys

import pytest

from tests.support import many_actors
from tests.support.many_actors import FEW, MANY
from tests.support.programs import PATIENCE, environment
from tests.support.small_networks import SAMPLES

SPARE = 12
"""Connections that come and go, such as those of heartbeats and of the program's own questions."""


@pytest.fixture(scope="module")
def found():
    command = [sys.executable, "-m", many_actors.__name__]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environment(), check=False)
    assert result.returncode == 0, result.stderr
    assert "sign of life" not in result.stderr and "Too many open files" not in result.stderr
    return json.loads(result.stdout)


@pytest.mark.cluster
@pytest.mark.slow
def test_more_than_a_hundred_gates_train_where_few_files_may_be_open(found):
    _, samples = found["gates"][str(MANY)]
    assert samples == [SAMPLES]


@pytest.mark.cluster
@pytest.mark.slow
def test_the_number_of_open_files_does_not_grow_with_the_gates(found):
    (few, _), (many, _) = (found["gates"][str(count)] for count in (FEW, MANY))
    assert all(there <= before + SPARE for before, there in zip(few, many, strict=True)), (few, many)


@pytest.mark.cluster
@pytest.mark.slow
def test_sentinels_that_have_come_and_gone_leave_no_open_files(found):
    few, many = found["sentinels"]
    assert all(after <= before + SPARE for before, after in zip(few, many, strict=True)), (few, many)
