"""A cluster inside this process."""

import socket
from contextlib import closing
from typing import Any

from distributed import Client, LocalCluster

from akkordeon_dask import config

__all__ = ["WORKER_ENVIRONMENT", "Embedded"]

WORKER_ENVIRONMENT = {"MALLOC_TRIM_THRESHOLD_": "2147483647", "MALLOC_MMAP_THRESHOLD_": "1073741824"}
"""What a worker process's environment should have, so that glibc keeps large arrays' memory for the next ones.
Dask's nanny by default asks for the opposite."""


class Embedded:
    """A scheduler, workers and a client, with their own loop thread; all end with `close`.

    Parameters
    ----------
    processes
        0: one worker in this process; else that many worker processes.
    """

    def __init__(self, processes: int = 0) -> None:
        options: dict[str, Any] = {"n_workers": 1, "processes": False}
        if processes:
            options = {"n_workers": processes, "host": "127.0.0.1", "env": dict(WORKER_ENVIRONMENT)}
        self.cluster = LocalCluster(
            threads_per_worker=1,
            dashboard_address=_free_dashboard(),
            worker_dashboard_address=None,
            **options,
        )
        try:
            self.client = Client(self.cluster)
        except BaseException:
            self.cluster.close()
            raise

    def close(self) -> None:
        """Stop client, workers and scheduler."""
        self.client.close()
        self.cluster.close()


def _free_dashboard() -> str:
    """The configured address of the dashboard, or any free port where that one is taken."""
    wish = str(config.get("embedded.dashboard-address"))
    host, _, port = wish.rpartition(":")
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host or "127.0.0.1", int(port)))
        except OSError:
            return f"{host or '127.0.0.1'}:0"
    return f"{host or '127.0.0.1'}:{port}"
