"""A loss is told with its reason, where the scheduler knows it."""

import dask.config
import pytest
from distributed import Client, LocalCluster

from akkordeon_dask import deploy
from akkordeon_dask.errors import ClosedError, WorkerLostError
from akkordeon_dask.runtime._events import explain_loss
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE, scaled
from tests.support.restarting_workers import events
from tests.support.small_networks import NETWORK, train

pytestmark = pytest.mark.slow


@pytest.fixture
def client(_debug):
    """Of three workers in processes of their own."""
    options = {"dashboard_address": ":0", "worker_dashboard_address": None, "silence_logs": 50}
    impatient = dask.config.set({"akkordeon.supervision.patience": scaled(2)})
    cluster = LocalCluster(n_workers=3, threads_per_worker=1, processes=True, **options)
    with impatient, cluster, Client(cluster) as running:
        yield running


def test_a_restart_of_the_cluster_is_named_and_training_goes_on(client, tmp_path):
    with deploy(NETWORK, client, snapshots=str(tmp_path)) as running:
        attached = running.attach(train())
        running.wait(epochs=2, timeout=PATIENCE)
        client.restart()
        done = len(attached.reports)
        running.wait(epochs=2, timeout=PATIENCE)
        assert len(attached.reports) == done + 2 and not any(report.lost for report in attached.reports)
        said = "somebody restarted the whole cluster, by client.restart"
        wait_until(lambda: any(said in one["text"] for one in events(client, running.name, "restarted")))


def test_a_worker_that_its_nanny_ended_for_its_memory_is_said_to_be(client):
    client.log_event("worker-restart-memory", {"worker": "tcp://10.0.0.1:1", "pid": 1, "rss": 3_000_000_000})

    def explained(worker, error):
        return client.sync(lambda: explain_loss(client, worker, error))

    wait_until(lambda: client.get_events("worker-restart-memory"))
    lost = WorkerLostError("gate 'g0' is gone")
    assert "Its nanny ended it for its memory, of which it used 2.79 GiB" in str(explained("tcp://10.0.0.1:1", lost))
    assert explained("tcp://10.0.0.2:1", lost) is lost
    closed = ClosedError("gate 'g0' was closed")
    assert explained("tcp://10.0.0.1:1", closed) is closed
