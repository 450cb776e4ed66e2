"""A training sentinel goes on once its epoch is rated, and once it knows that."""

import asyncio
from types import SimpleNamespace

import pytest

from akkordeon_dask.errors import DeadlineError, SchedulerLostError, WorkerLostError
from akkordeon_dask.messages import PassReport
from akkordeon_dask.runtime import _epochs
from akkordeon_dask.runtime._epochs import EpochValidations
from tests.support.patience import PATIENCE


class Trained:
    """Stands for a sentinel that waits behind its epochs; the first calls to let it go on fail."""

    name, label, validated, error = "train0", "sentinel 'train0'", True, None
    sentinel = SimpleNamespace(mode="train", rates_epochs_of=lambda name: False)

    def __init__(self, *failures):
        self.failures, self.cleared = list(failures), []

    async def clear(self, epoch):
        self.cleared.append(epoch)
        if self.failures:
            raise self.failures.pop(0)


def rated(one):
    """Have an epoch of it end and be rated."""

    async def until(condition):
        assert condition()

    async def story():
        done = asyncio.Event()
        epochs = EpochValidations({one.name: one}, until, SimpleNamespace(idle=True), done.set)
        epochs.add_pass(PassReport(one.name, "train", 1, 0.5, {}, 10, 0, 1.0, 0))
        assert not epochs.idle
        running = asyncio.create_task(epochs.run())
        await asyncio.wait_for(done.wait(), PATIENCE)
        running.cancel()
        assert epochs.idle

    asyncio.run(story())
    return one.cleared


@pytest.mark.parametrize("failure", [DeadlineError("no answer"), SchedulerLostError("the scheduler does not answer")])
def test_a_call_that_lets_it_go_on_is_repeated_when_it_is_lost(monkeypatch, failure):
    monkeypatch.setattr(_epochs, "_AGAIN", 0.0)
    assert rated(Trained(failure, failure)) == [1, 1, 1]


def test_the_next_incarnation_of_one_that_is_lost_goes_on_by_itself():
    assert rated(Trained(WorkerLostError("its worker is gone"))) == [1]
