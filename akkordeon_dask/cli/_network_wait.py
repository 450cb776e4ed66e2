"""A network that another program deploys, perhaps only in a moment."""

from distributed import Client

from akkordeon_dask.cli._wait import NotYetError, WaitLimit
from akkordeon_dask.runtime import Running, connect, networks

__all__ = ["connected"]


def connected(name: str, client: Client, patience: WaitLimit) -> Running:
    """The network of this name, which is waited for.

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
