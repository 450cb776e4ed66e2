"""An owner that is to be relieved: `python -m tests.support.replaced_owner ADDRESS NAME wait|stay [SNAPSHOTS]`."""

import sys

import click
from distributed import Client

from akkordeon_dask import deploy
from akkordeon_dask.errors import ClosedError
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, train


def main() -> None:
    """Say `up` when it trains, what ended that, and `closed`."""
    address, name, how, *snapshots = sys.argv[1:]
    keeping = {"snapshots": snapshots[0], "snapshot_every": 1} if snapshots else {}
    with Client(address, timeout=PATIENCE) as client:
        with deploy(NETWORK, client, name=name, **keeping) as running:
            running.attach(train(name="first"))
            click.echo("up")
            try:
                running.wait_closed() if how == "stay" else running.wait(epochs=10**9)
            except ClosedError as error:
                click.echo(str(error))
        click.echo("closed")


if __name__ == "__main__":
    main()
