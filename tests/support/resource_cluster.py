"""A cluster of three workers with resources, in this process, that talk over sockets."""

import contextlib

from distributed import Scheduler, SpecCluster, Worker

from akkordeon_dask import Gate, Network, nn
from tests.support.leftovers import akkordeon_threads, wait_until
from tests.support.small_networks import SGD

STOCK = {"alice": {"GPU": 2}, "bob": {"GPU": 1, "MEM": 4}, "carol": {}}


@contextlib.contextmanager
def stocked_cluster():
    """Workers alice with two GPUs, bob with one, carol with none."""
    where = {"host": "127.0.0.1", "protocol": "tcp://", "dashboard": False}
    workers = {
        name: {"cls": Worker, "options": {"nthreads": 1, "resources": has, **where}} for name, has in STOCK.items()
    }
    scheduler = {"cls": Scheduler, "options": {"port": 0, "dashboard_address": ":0", **where}}
    with SpecCluster(workers, scheduler=scheduler, silence_logs=False) as cluster:
        yield cluster


def asking(*amounts):
    """A network of a gate for each of these numbers of GPUs; 0: it asks for nothing."""
    asks = [{"GPU": amount} if amount else {} for amount in amounts]
    return Network(
        Gate(nn.Linear(6, 6 if place + 1 < len(asks) else 3), SGD, resources=ask) for place, ask in enumerate(asks)
    )


def claims(cluster):
    """The claims, by worker."""
    offices = {name: worker.plugins.get("akkordeon-post-office") for name, worker in cluster.workers.items()}
    return {
        name: sorted((claim.network, claim.gate, claim.resources["GPU"]) for claim in office.claims.values())
        for name, office in offices.items()
        if office is not None and office.claims
    }


def nothing_is_left(cluster):
    """Waits until no thread, key, name or claim of ours is there."""

    def left():
        published = cluster.scheduler.extensions["publish"].datasets
        actors = [key for worker in cluster.workers.values() for key in worker.state.actors]
        return [*akkordeon_threads(), *cluster.scheduler.tasks, *published, *claims(cluster), *actors]

    wait_until(lambda: not left(), seen=left)
