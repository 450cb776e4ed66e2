"""A program that trains with snapshots until it is killed: `python -m tests.support.cut_owner ADDRESS FOLDER`."""

import sys

import click
from distributed import Client

from akkordeon_dask import deploy
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, train


def main() -> None:
    """Say `up` when it trains."""
    address, folder = sys.argv[1:]
    with (
        Client(address, timeout=PATIENCE) as client,
        deploy(NETWORK, client, snapshots=folder, snapshot_every="1s") as running,
    ):
        running.attach(train(name="a", concurrency=4))
        click.echo("up")
        running.wait(epochs=10**9)


if __name__ == "__main__":
    main()
