"""After `close`: no thread, no comm, no key, on workers that talk over sockets."""

import threading
from concurrent.futures import ThreadPoolExecutor

import dask.config
import pytest
from distributed import Client, LocalCluster

from akkordeon_dask import deploy
from akkordeon_dask.actors.gate._snapshots import GateSnapshots
from akkordeon_dask.actors.transport._link import LINK_OP
from akkordeon_dask.errors import DataError, NameConflictError
from tests.support.leftovers import akkordeon_threads
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, rating, train
from tests.support.sync_and_async_client import Bystander


@pytest.fixture(scope="module", params=["auto", "never"])
def sockets(_debug, request):
    """Two workers of this process that reach one another over UNIX sockets, or TCP only, and a client."""
    options = {"processes": False, "protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": ":0"}
    local = dask.config.set({"akkordeon.link.local": request.param})
    with local, LocalCluster(n_workers=2, threads_per_worker=1, **options) as cluster, Client(cluster) as client:
        yield cluster, client


def offices(cluster):
    found = [worker.plugins.get("akkordeon-post-office") for worker in cluster.workers.values()]
    return [office for office in found if office is not None]


def connections(cluster):
    """Connections that links made, seen from the side that they came to."""
    comms = [op for worker in cluster.workers.values() for op in worker._comms.values() if op == LINK_OP]
    listeners = [office._station._listener for office in offices(cluster)]
    return [
        *comms,
        *(fd for listener in listeners if listener for poller in listener._readers for fd in poller._sockets),
    ]


@pytest.mark.parametrize("name", [None, "published"])
def test_nothing_is_left(sockets, eventually, name):
    cluster, client = sockets
    running = deploy(NETWORK, client, name=name)
    assert len(set(running.placement.values())) == 2
    for _ in range(2):
        running.attach(train(concurrency=3))
    running.evaluate(rating())
    assert len(offices(cluster)) == 2 and all(office.links for office in offices(cluster))
    assert len(connections(cluster)) == 2
    assert akkordeon_threads()
    eventually(lambda: len(cluster.scheduler.tasks) == 4, seen=lambda: cluster.scheduler.tasks)
    running.close()
    assert not any(office.links or office._cells for office in offices(cluster))
    eventually(lambda: not connections(cluster), seen=lambda: connections(cluster))
    eventually(lambda: not cluster.scheduler.tasks, seen=lambda: cluster.scheduler.tasks)
    eventually(lambda: not akkordeon_threads(), seen=akkordeon_threads)
    assert not cluster.scheduler.extensions["publish"].datasets


def test_nothing_is_left_of_a_network_that_could_not_be_made(sockets, eventually):
    cluster, client = sockets
    with deploy(NETWORK, client, name="taken"), pytest.raises(NameConflictError):
        deploy(NETWORK, client, name="taken")
    eventually(lambda: not cluster.scheduler.tasks, seen=lambda: cluster.scheduler.tasks)
    with pytest.raises(DataError), deploy(NETWORK, client) as running:
        running.attach(train(batch_size=65))
    eventually(lambda: not (cluster.scheduler.tasks or akkordeon_threads()), seen=akkordeon_threads)


def test_gates_that_are_forgotten_while_they_open_leave_no_thread(sockets, eventually, tmp_path, monkeypatch):
    cluster, _ = sockets
    begun, go, begin = threading.Event(), threading.Event(), GateSnapshots.begin

    def held(snapshots):
        begin(snapshots)
        begun.set()
        assert go.wait(PATIENCE)

    monkeypatch.setattr(GateSnapshots, "begin", held)
    with ThreadPoolExecutor(1) as pool:
        client = Client(cluster)
        deployed = pool.submit(deploy, NETWORK, client, snapshots=str(tmp_path))
        assert begun.wait(PATIENCE)
        client.close()
        eventually(lambda: not cluster.scheduler.tasks, seen=lambda: cluster.scheduler.tasks)
        go.set()
        assert deployed.exception(PATIENCE) is not None
    eventually(lambda: not akkordeon_threads(), seen=akkordeon_threads)


def test_another_client_of_this_process_never_counts_a_key(sockets):
    cluster, client = sockets
    with Bystander(cluster.scheduler.address) as bystander:
        with deploy(NETWORK, client) as running:
            running.evaluate(rating())
        assert bystander.counted == set()
