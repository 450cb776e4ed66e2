"""An owner that tells after each pass whether it still is: `python -m tests.support.racing_owner ADDRESS NAME URL`.

Without a URL it adopts the network.
"""

import logging
import sys

import click
from distributed import Client

from akkordeon_dask import Running, adopt, deploy
from akkordeon_dask.errors import AkkordeonError
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, SAMPLES, train


def main() -> None:
    """Say `owner` or `follower` and the samples of the pass; at the end the error."""
    address, name, *url = sys.argv[1:]
    logging.basicConfig(level=logging.WARNING)
    with Client(address, timeout=3 * PATIENCE) as client, _owned(client, name, *url) as running:
        trains = running.attach(train(name="first" if url else "second", epochs=10**6))
        try:
            while True:
                running.wait(epochs=1, mine=True)
                exact = all((one.samples, one.lost) == (SAMPLES, 0) for one in trains.reports)
                click.echo(f"{'owner' if running.owner else 'follower'} {exact}")
        except AkkordeonError as error:
            click.echo(f"{type(error).__name__}: {error}")


def _owned(client: Client, name: str, url: str | None = None) -> Running:
    if url is None:
        return adopt(name, client)
    return deploy(NETWORK, client, name=name, snapshots=url, snapshot_every=20)


if __name__ == "__main__":
    main()
