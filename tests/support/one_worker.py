"""A small cluster in this process, whose client is the default one."""

from contextlib import contextmanager

from distributed import Client, LocalCluster


@contextmanager
def one_worker():
    """One thread; the client of it."""
    options = {"processes": False, "n_workers": 1, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        workers = list(cluster.workers.values())
        yield client
    for worker in workers:
        _close_own_client(worker)


def _close_own_client(worker):
    """A worker makes a client for tasks that take futures, and leaves it where another worker lives in its process."""
    if worker._client is not None:
        worker._client.close()
