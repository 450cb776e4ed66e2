"""A network as the scheduler sees it, read by both kinds of client."""

import pytest
from dask import config as dask_config

from akkordeon_dask.errors import DeadlineError, DeploymentError
from akkordeon_dask.runtime import live
from akkordeon_dask.telemetry import LiveStatus
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, train


def test_it_shows_gates_and_sentinels_at_work(user):
    with user.deploy(NETWORK) as running:

        def status():
            return user.call(live, user.client, running.name)

        assert isinstance(status(), LiveStatus) and status().ended is None
        running.attach(train(name="tdp", epochs=1))
        running.wait(timeout=PATIENCE)
        wait_until(lambda: len(status().gates) == 2 and [one.report for one in status().sentinels if one.report])
        assert [(one.name, one.report.epoch) for one in status().sentinels] == [("tdp", 1)]
        assert [(gate.name, gate.state) for gate in status().gates] == [("g0", "running"), ("g1", "running")]
    assert status().ended is not None


def test_an_unknown_network_is_quoted_beside_those_that_run(user):
    said = r"no network named 'digit' runs .*there is .*network-"
    with user.deploy(NETWORK), pytest.raises(DeploymentError, match=said):
        user.call(live, user.client, "digit")


def test_a_scheduler_that_does_not_answer_is_not_waited_for(user):
    short = dask_config.set({"akkordeon.timeouts.connect": "1us"})
    with short, pytest.raises(DeadlineError, match="did not answer within"):
        user.call(live, user.client, "digit")
