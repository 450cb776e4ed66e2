"""Two worker processes whose nannies restart them, for stories in which gates go from one to the other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dask.config
import pytest

from akkordeon_dask.messages import TOPIC
from akkordeon_dask.runtime import EmbeddedCluster
from akkordeon_dask.snapshots import Store, find_runs
from tests.support.leftovers import akkordeon_threads, wait_until
from tests.support.patience import scaled
from tests.support.workers import workers_now

_LIMITS = {"batch.deadline": scaled(2), "batch.min-deadline": scaled(0.3), "supervision.patience": scaled(3)}


class Pair:
    """A cluster of two worker processes, seen through a client."""

    def __init__(self, client) -> None:
        self.client = client
        self.two()

    def two(self) -> tuple[str, str]:
        """The addresses of the workers, once there are two."""

        wait_until(lambda: len(workers_now(self.client)) == 2)
        front, back = sorted(workers_now(self.client))
        return front, back

    def pid(self, worker: str) -> int:
        """Of a worker's process."""
        return self.client.run(os.getpid, workers=[worker])[worker]

    def threads(self, *workers: str) -> list[str]:
        """The names of all threads of ours on these workers, or on all."""
        told = self.client.run(akkordeon_threads, workers=list(workers) or None)
        return [name for names in told.values() for name in names]

    def actors(self) -> set[str]:
        """The names of all actors on the workers."""
        return {name for names in self.client.run(_actors).values() for name in names}

    def nothing_left(self) -> None:
        """Wait until no thread, key or name of ours is left."""

        def left():
            return [*self.threads(), *self.client.run_on_scheduler(_left)]

        wait_until(lambda: not left(), seen=left)


def _actors(dask_worker):
    office = dask_worker.plugins.get("akkordeon-post-office")
    return [cell.name for cell in office._cells.values()] if office is not None else []


def _left(dask_scheduler):
    return [*map(str, dask_scheduler.tasks), *dask_scheduler.extensions["publish"].datasets]


@contextmanager
def pair() -> Iterator[Pair]:
    """Batches that are lost are soon given up, and gates soon missed."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _LIMITS.items():
            patch.setenv("DASK_AKKORDEON__" + name.upper().replace(".", "__").replace("-", "_"), value)
        here = {f"akkordeon.{name}": value for name, value in _LIMITS.items()}
        with dask.config.set({"akkordeon.embedded.dashboard-address": "127.0.0.1:0", **here}):
            cluster = EmbeddedCluster(2)
            try:
                yield Pair(cluster.client)
            finally:
                cluster.close()


def workers(cluster):
    """The addresses of a local cluster's workers."""
    return [worker.address for worker in cluster.workers.values()]


def events(client, network, *kinds):
    """The logged events of a network that have these kinds, the oldest first."""
    told = [told for _, told in client.get_events(TOPIC)]
    return [one for one in told if one["network"] == network and one["event"] in kinds]


def run_store(url):
    """The snapshots of the newest run below a URL."""
    return Store(find_runs(str(url))[0])


def run_folder(folder):
    """The folder of the newest run below a folder."""
    return Path(find_runs(str(folder))[0])


def kept(url, gate):
    """A gate's newest snapshot: the number of updates, and all arrays by name."""
    saved = run_store(url).load(gate)
    return saved.number, saved.tree
