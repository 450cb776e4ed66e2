"""A program that deploys a network and trains until it is killed: `python -m tests.support.owner_program ADDRESS`."""

import sys

import click
from distributed import Client

from akkordeon_dask import deploy
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, train


def main() -> None:
    """Say `up` when it trains."""
    address, *name = sys.argv[1:]
    with (
        Client(address, timeout=PATIENCE) as client,
        deploy(NETWORK, client, name=name[0] if name else None) as running,
    ):
        running.attach(train())
        click.echo("up")
        running.wait(epochs=10**9)


if __name__ == "__main__":
    main()
