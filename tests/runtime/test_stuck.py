"""A gate whose computation hangs is told to those who wait, and goes on when it can."""

import dask.config
import pytest

from akkordeon_dask import Gate, deploy, nn
from akkordeon_dask.actors.engine._dispatcher import dispatcher
from akkordeon_dask.runtime._live import live
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.small_networks import SAMPLES, SGD, Blocks, train


@pytest.fixture(autouse=True)
def _soon():
    Blocks.go.clear()
    with dask.config.set({"akkordeon.supervision.stuck": "200ms"}):
        yield
    Blocks.go.set()


def test_promise_12_a_gate_that_hangs_is_named_to_who_waits_and_in_the_status():
    network = Gate(nn.Linear(6, 5) >> Blocks(), SGD) | Gate(nn.Linear(5, 3), SGD)
    with deploy(network) as running:
        running.attach(train(epochs=2))
        text = r"gate g0 has computed for .* batch .* 16 samples.*forward \(.*small_networks"
        with pytest.raises(RuntimeWarning, match=text):  # Python may turn warnings into errors, and does so here
            running.wait(timeout=PATIENCE)
        wait_until(lambda: live(running.client, running.name).gates[0].state == "stuck")
        assert "small_networks.py" in live(running.client, running.name).gates[0].stuck
        dispatcher.stalls.limit = None  # other batches may take as long on a busy machine
        Blocks.go.set()
        history = running.wait(timeout=PATIENCE)
        assert [(one.samples, one.lost) for one in history] == [(SAMPLES, 0)] * 2
        wait_until(lambda: live(running.client, running.name).gates[0].state == "running")
