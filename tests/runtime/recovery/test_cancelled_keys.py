"""Somebody cancels keys of a network, as any client may: that is said, and only those actors are lost."""

from functools import partial

import pytest
from distributed import Future

from akkordeon_dask.errors import WorkerLostError
from akkordeon_dask.messages import network_of
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.restarting_workers import events
from tests.support.small_networks import NETWORK, train

pytestmark = pytest.mark.slow

SAID = "somebody has cancelled its key"


def cancel(client, running, actor):
    """Cancel the key of a gate or a sentinel for all clients."""
    keys = [key for key in client.run_on_scheduler(_keys) if network_of(key) == running.name]
    (key,) = (key for key in keys if f"-{actor}-" in key)
    client.cancel([Future(key, client)], force=True)


def _keys(dask_scheduler):
    return list(dask_scheduler.tasks)


def test_a_gate_and_a_sentinel_are_restarted_alone_and_training_goes_on(user, somebody, tmp_path, nothing_left):
    def told(actor):
        restarted = events(somebody.client, running.name, "restarted")
        return any(actor in (one.get("gate"), one.get("sentinel")) and SAID in one["text"] for one in restarted)

    with user.deploy(NETWORK, snapshots=str(tmp_path)) as running:
        running.attach(train())
        for actor in ("g0", "train0"):
            running.wait(epochs=2, timeout=PATIENCE)
            cancel(somebody.client, running, actor)
            wait_until(partial(told, actor))
            running.wait(epochs=2, timeout=PATIENCE)
        assert len(events(somebody.client, running.name, "restarted")) == 2
    nothing_left()


def test_a_network_without_snapshots_ends_with_that_reason(user, somebody, nothing_left):
    with user.deploy(NETWORK) as running:
        running.attach(train())
        cancel(somebody.client, running, "g1")
        with pytest.raises(WorkerLostError, match=SAID):
            running.wait(epochs=10**6, timeout=PATIENCE)
    nothing_left()
