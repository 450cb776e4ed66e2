"""Connections of a command: to a cluster, and to a network on it."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager

from distributed import Client, Security

from akkordeon_dask import config
from akkordeon_dask.cli._probe import MUTE, dask_role, describe_peer
from akkordeon_dask.cli._wait import NotYetError, WaitLimit
from akkordeon_dask.cli.options._cluster_options import ClusterAddress
from akkordeon_dask.errors import AkkordeonError, DeploymentError
from akkordeon_dask.runtime import EmbeddedCluster, LingeringClient, Running, connect, networks

__all__ = ["client_at", "client_of", "wait_for_network"]


@contextmanager
def client_of(workers: int, where: ClusterAddress) -> Iterator[Client | None]:
    """A client, with a cluster of its own where one is started; None stands for the cluster that `deploy` embeds.

    Parameters
    ----------
    workers
        worker processes to start; 0: none.
    where
        a running cluster, unless its address is empty.

    Raises
    ------
    DeploymentError
        when no scheduler answers.
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
    """A client of a running cluster.

    Parameters
    ----------
    again
        the command that resumes the work after the scheduler was lost; None: the same one.

    Raises
    ------
    DeploymentError
        when no scheduler answers in time, or not over TLS as asked; when the scheduler is lost in the meantime.
    """
    with _quiet(), where.patience.until(lambda: _connect(where)) as client:
        address = client.scheduler.address
        try:
            yield client
        except AkkordeonError as error:
            notes = "".join(f". {note}" for note in getattr(error, "__notes__", ()))
            if client.status == "running":
                raise type(error)(f"{error}{notes}") from error
            raise DeploymentError(
                f"the scheduler at {address!r} is gone, and with it all that it held: look at its log, start it and "
                f"its workers again, then {f'go on by `{again}`' if again else 'this program'}{notes}"
            ) from error


def wait_for_network(name: str, client: Client, patience: WaitLimit) -> Running:
    """The network of this name, as soon as another program has deployed it.

    Raises
    ------
    DeploymentError
        when there is none in time, or its gates are gone.
    """

    def find() -> None:
        there = networks(client)
        if name not in there:
            names = ", ".join(there) or "none"
            raise NotYetError(f"no network named {name!r} on this cluster, there is {names}: deploy it first")

    patience.until(find)
    return connect(name, client)


_SHARE = 0.7
"""Of the time to connect, for the scheduler to say what it is; the rest is for whatever else is there to say so."""
_START = "start one with `dask scheduler`, which prints its address"
_BUSY = f"one that runs there is busy: try again, or raise akkordeon.timeouts.connect; where none runs, {_START}"
"""Where something may be there and does not answer in time."""


def _connect(where: ClusterAddress) -> Client:
    address, longest = where.find_address(), config.seconds("timeouts.connect")
    limit = where.patience.limit(longest)
    if where.security is not None and not address.startswith("tls://"):
        raise DeploymentError(f"--tls and {address!r} do not go together: write tls://{address.rpartition('://')[2]}")
    security = where.security or Security()
    try:
        role = dask_role(address, limit * _SHARE, **security.get_connection_args("client"))
        if role != "Scheduler":
            raise DeploymentError(f"at {address!r} there is no Dask scheduler but a {role}: {_START}")
        client = LingeringClient(address, timeout=limit, security=security)  # type: ignore[no-untyped-call]
    except AkkordeonError:
        raise
    except (RuntimeError, TypeError) as error:
        raise DeploymentError(
            f"cannot connect to {address!r} ({_said(error)}): a tls:// address needs --tls FOLDER or "
            "distributed.comm.tls in Dask's configuration, and one that requires encryption needs a tls:// address"
        ) from error
    except Exception as error:  # of a foreign protocol that was read as Dask's: a MemoryError, for one
        try:
            there = describe_peer(address, limit * (1 - _SHARE))
            reason, remedy = there or _said(error) or "no answer in time", _BUSY if there in MUTE else _START
        except OSError as failure:  # such as an unknown host; Dask's error says only how long it has tried
            there, reason = None, _said(failure)
            remedy = _BUSY if isinstance(failure, TimeoutError) else _START
        # A port where somebody answers in another language does not become a scheduler's by waiting.
        kind = NotYetError if isinstance(error, OSError) and not (there and limit == longest) else DeploymentError
        raise kind(f"no Dask scheduler answers at {address!r} ({reason}): {remedy}") from error
    # Dask waits as long for a lost scheduler as for the first connection; this program has its own limit.
    client._timeout = config.seconds("supervision.scheduler")
    client.rpc.timeout = longest  # of later connections, beside which the machine may be loaded
    return client


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's log off the terminal: an error is one line."""
    # The worker of --here logs each heartbeat that a dead scheduler did not answer.
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
