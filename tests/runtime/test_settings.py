"""A bad setting is named by whoever reads it first: a program, a deploying client, or a worker."""

import dask.config
import pytest
from distributed import Client

from akkordeon_dask import connect, deploy
from akkordeon_dask.errors import DeploymentError, SpecError
from akkordeon_dask.runtime import adopt
from tests.support.programs import run, running_cluster
from tests.support.small_networks import NETWORK

BAD = {"akkordeon.supervision.restarts": "many"}
WORDS = r"akkordeon\.supervision\.restarts in Dask's configuration is a whole number of at least 0, not 'many'"


@pytest.mark.parametrize("verb", [lambda: deploy(NETWORK), lambda: connect("any", None), lambda: adopt("any", None)])
def test_a_verb_refuses_a_bad_setting_before_it_starts_or_asks_a_cluster(verb):
    with dask.config.set(BAD), pytest.raises(SpecError, match=WORDS):
        verb()


def test_a_worker_with_a_bad_setting_is_named_when_a_gate_is_deployed_on_it(tmp_path, monkeypatch):
    monkeypatch.setenv("DASK_AKKORDEON__SUPERVISION__RESTARTS", "many")
    with running_cluster(tmp_path, names=("alice",)) as cluster, Client(cluster.address) as client:
        for _ in range(2):
            with pytest.raises(DeploymentError, match=WORDS) as caught:
                deploy(NETWORK, client)
            assert cluster.workers["alice"] in str(caught.value)


def test_a_command_ends_with_one_line_about_the_setting():
    ended = run("-m", "dask", "akkordeon", "demo", "--epochs", "1", DASK_AKKORDEON__BATCH__MAX_ATTEMPTS="three")
    assert ended.returncode != 0
    assert ended.stderr.strip().splitlines() == [
        "Error: akkordeon.batch.max-attempts in Dask's configuration is a whole number of at least 1, not 'three'"
    ]
