"""A small cluster in this process, whose client is the default one."""

from contextlib import contextmanager

from distributed import Client, LocalCluster


@contextmanager
def one_worker():
    """One thread; the client of it."""
    options = {"processes": False, "n_workers": 1, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        yield client
