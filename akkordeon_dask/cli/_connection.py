"""The cluster that a command runs on."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.cli._wait import NotYetError
from akkordeon_dask.cli.options._cluster_options import ClusterAddress
from akkordeon_dask.errors import AkkordeonError, DeploymentError
from akkordeon_dask.runtime import EmbeddedCluster

__all__ = ["client_at", "client_of"]


@contextmanager
def client_of(workers: int, where: ClusterAddress) -> Iterator[Client | None]:
    """A client, and its cluster for as long; None stands for the cluster that `deploy` embeds by itself.

    Parameters
    ----------
    workers
        worker processes to start; 0: none.
    where
        a running cluster; where none was said: start one.

    Raises
    ------
    DeploymentError
        when nobody answers there.
    """
    if where:
        with client_at(where) as client:
            yield client
    elif workers:
        with closing(EmbeddedCluster(workers)) as embedded:
            yield embedded.client
    else:
        yield None


@contextmanager
def client_at(where: ClusterAddress, again: str | None = None) -> Iterator[Client]:
    """A client of a running cluster, as long as it is needed.

    Parameters
    ----------
    again
        the command to go on with after the scheduler was lost; None: the same one.

    Raises
    ------
    DeploymentError
        when nobody answers there for as long as it is waited for, or not so; when the scheduler ends in the meantime.
    """
    with _quiet(), where.patience.until(lambda: _reached(where)) as client:
        address = client.scheduler.address
        try:
            yield client
        except AkkordeonError as error:
            if client.status == "running":
                raise
            raise DeploymentError(
                f"the scheduler at {address!r} is gone, and with it all that it held: look at its log, start it and "
                f"its workers again, then {f'go on by `{again}`' if again else 'this program'}"
            ) from error


def _reached(where: ClusterAddress) -> Client:
    address, limit = where.find_address(), where.patience.limit(config.seconds("timeouts.connect"))
    if where.security is not None and not address.startswith("tls://"):
        raise DeploymentError(f"--tls and {address!r} do not go together: write tls://{address.rpartition('://')[2]}")
    try:
        return Client(address, timeout=limit, security=where.security)
    except (OSError, ValueError) as error:
        kind = NotYetError if isinstance(error, OSError) else DeploymentError
        raise kind(
            f"no Dask scheduler answers at {address!r} ({_said(error)}): start one with `dask scheduler`, "
            "which prints its address"
        ) from error
    except (RuntimeError, TypeError) as error:
        raise DeploymentError(
            f"no way to speak with {address!r} ({_said(error)}): a tls:// address needs --tls FOLDER or "
            "distributed.comm.tls in Dask's configuration, and one that requires encryption needs a tls:// address"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask keeps to itself what it would tell at length: an error gets its one line."""
    # The worker of --here would tell of each heartbeat that a dead scheduler did not take.
    names = ("distributed.client", "distributed.worker")
    levels = {"distributed": logging.ERROR, **dict.fromkeys(names, logging.CRITICAL)}
    before = {name: logging.getLogger(name).level for name in levels}
    try:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _said(error: Exception) -> str:
    return " ".join(str(error).split())
