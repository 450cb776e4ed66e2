"""What users do to a cluster beside a network at work: `python -m tests.support.chaos_command FILE KIND WORKER N`.

`WORKER` is the name of a gate for `move`.
"""

import asyncio
import time

import click
from distributed import Client, Status

from akkordeon_dask import deploy
from akkordeon_dask.errors import AkkordeonError
from akkordeon_dask.runtime import ask_owner, networks
from tests.support.chaos_user import NAME
from tests.support.leftovers import wait_until
from tests.support.small_networks import NETWORK, train

PATIENT = 30
"""Seconds."""


def lifetime(dask_worker, restart):
    """End the worker as `--lifetime` does, with or without `--lifetime-restart`."""
    asyncio.get_running_loop().call_later(
        0, lambda: asyncio.ensure_future(dask_worker.close_gracefully(restart=restart))
    )


def set_status(dask_worker, name):
    """Pause the worker as its memory monitor does, or end that."""
    dask_worker.status = Status.lookup[name]


def cut_short(client, seconds):
    """Deploy a network of another name, train, and end all of it after so long, wherever it is."""

    async def trains():
        async with await deploy.aio(NETWORK, client=asynchronous, name="brief") as running:
            await running.attach.aio(train())
            await asyncio.sleep(PATIENT)

    async def cut():
        nonlocal asynchronous
        async with Client(client.scheduler.address, asynchronous=True) as asynchronous:
            task = asyncio.ensure_future(trains())
            await asyncio.wait([task], timeout=seconds)
            task.cancel()
            await asyncio.wait([task], timeout=PATIENT)

    asynchronous = None
    asyncio.run(cut())
    wait_until(lambda: "brief" not in networks(client))


def do(client, kind, worker, seconds) -> None:
    """One kind of command."""
    there = {facts["name"]: address for address, facts in client.scheduler_info(n_workers=-1)["workers"].items()}
    address = there.get(worker)
    if kind == "verb":
        cut_short(client, seconds)
    elif not there:
        click.echo("all workers are gone")
    elif kind == "move":
        ask_owner(client, NAME, "move", worker, sorted(there)[int(1000 * seconds) % len(there)])
    elif address is None:
        click.echo(f"{worker} is gone already")
    elif kind == "drain":
        ask_owner(client, NAME, "drain", worker)
    elif kind == "retire":
        client.retire_workers([address])
    elif kind == "lifetime":
        client.run(lifetime, restart=seconds > 1.5, workers=[address])
    elif kind == "restart":
        client.restart(timeout=PATIENT, wait_for_workers=False)
    elif kind == "pause":
        client.run(set_status, name="paused", workers=[address])
        time.sleep(seconds)
        client.run(set_status, name="running", workers=[address])


@click.command()
@click.argument("scheduler_file")
@click.argument("kind")
@click.argument("worker")
@click.argument("seconds", type=float)
def main(scheduler_file, kind, worker, seconds) -> None:
    """Do it; other faults may come between, and are told then."""
    try:
        with Client(scheduler_file=scheduler_file, timeout="30s") as client:
            do(client, kind, worker, seconds)
    except (AkkordeonError, OSError, RuntimeError, KeyError) as error:
        click.echo(f"{kind} {worker}: {error!r}")


if __name__ == "__main__":
    main()
