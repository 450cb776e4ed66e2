"""The cluster that `demo` runs on."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.errors import DeploymentError
from akkordeon_dask.runtime import Embedded

__all__ = ["client_of"]


@contextmanager
def client_of(workers: int, scheduler: str | None) -> Iterator[Client | None]:
    """A client, and its cluster for as long; None stands for the cluster that `deploy` embeds by itself.

    Parameters
    ----------
    workers
        worker processes to start; 0: none.
    scheduler
        the address of a running one; None: start a cluster.

    Raises
    ------
    DeploymentError
        when nobody answers at that address.
    """
    if scheduler is not None:
        with _reached(scheduler) as client:
            yield client
    elif workers:
        with closing(Embedded(workers)) as embedded:
            yield embedded.client
    else:
        yield None


def _reached(address: str) -> Client:
    limit = config.seconds("timeouts.connect")
    try:
        return Client(address, timeout=limit)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DeploymentError(
            f"no Dask scheduler answers at {address!r} ({reason}): start one with `dask scheduler`, "
            "which prints its address"
        ) from error
