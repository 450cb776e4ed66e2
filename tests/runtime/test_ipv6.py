"""A cluster whose addresses are IPv6: it trains over either kind of link, and its errors have whole addresses."""

import dataclasses
import os
import re
import signal
import socket

import pytest
from distributed import Client

from akkordeon_dask import deploy
from akkordeon_dask.errors import AkkordeonError
from akkordeon_dask.network import Network
from tests.support.patience import PATIENCE
from tests.support.programs import running_cluster
from tests.support.small_networks import NETWORK, SAMPLES, train

APART = Network(
    [dataclasses.replace(gate, workers=name) for gate, name in zip(NETWORK.gates, ("alice", "bob"), strict=True)]
)
ADDRESS = re.compile(r"tcp://\[::1\]:\d+")


def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
@pytest.mark.parametrize("local", ["auto", "never"])
def test_a_network_trains_over_ipv6_and_its_errors_have_brackets(tmp_path, monkeypatch, local):
    monkeypatch.setenv("DASK_AKKORDEON__LINK__LOCAL", local)
    with running_cluster(tmp_path, address="[::1]") as cluster, Client(cluster.address) as client:
        assert all(ADDRESS.fullmatch(address) for address in cluster.workers.values())
        with deploy(APART, client) as running:
            running.attach(train(workers="alice"))
            history = running.wait(epochs=2, timeout=PATIENCE)
            assert {(one.samples, one.lost) for one in history} == {(SAMPLES, 0)}
            assert running.placement == {"g0": cluster.workers["alice"], "g1": cluster.workers["bob"]}
            links = running.statistics()["g0"].links
            assert [ADDRESS.search(link.peer) is not None for link in links] == [True]
            bob = client.run(os.getpid, workers=[cluster.workers["bob"]])[cluster.workers["bob"]]
            os.kill(bob, signal.SIGKILL)
            with pytest.raises(AkkordeonError) as caught:
                running.wait(epochs=10**9, timeout=PATIENCE)
    assert cluster.workers["bob"] in str(caught.value)
    assert not re.search(r"(?<!\[)::1", str(caught.value))
