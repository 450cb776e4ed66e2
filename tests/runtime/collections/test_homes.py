"""Which workers hold the partitions of a persisted collection: a question to the scheduler."""

import asyncio
from types import SimpleNamespace

import dask.config
import numpy as np
import pytest

from akkordeon_dask.errors import DeadlineError
from akkordeon_dask.runtime.collections._resolve import Part, Partitions

PERSISTED, COMPUTED = Part(("x", 0), None, None, {}), Part(("x", 1), None, None, {("x", 1): None})


def homes(part, who_has):
    client = SimpleNamespace(id="user", scheduler=SimpleNamespace(address="tcp://scheduler", who_has=who_has))
    return asyncio.run(Partitions((part,), (4,), (2,), np.dtype("f4")).homes(client))


def test_a_persisted_partition_is_where_the_scheduler_says():
    async def answer(keys):
        return {key: ["tcp://b", "tcp://a"] for key in keys}

    assert homes(PERSISTED, answer) == {0: ["tcp://a", "tcp://b"]}


def test_nobody_is_asked_for_partitions_that_are_yet_to_be_computed():
    assert homes(COMPUTED, None) == {}


def test_a_scheduler_that_does_not_answer_is_not_waited_for():
    async def never(keys):
        await asyncio.Event().wait()

    with (
        dask.config.set({"akkordeon.timeouts.control": "10ms"}),
        pytest.raises(DeadlineError, match=r"the scheduler at tcp://scheduler did not answer within 0\.01 s"),
    ):
        homes(PERSISTED, never)
