"""`dask akkordeon sentinel`."""

from contextlib import nullcontext
from functools import partial
from typing import Any

import click
from distributed import Security

from akkordeon_dask.cli._cluster import client_at
from akkordeon_dask.cli._output import JsonOutput, Output
from akkordeon_dask.cli._provider import provider_of
from akkordeon_dask.cli._sentinel_options import sentinel_options
from akkordeon_dask.cli._signals import interruptible
from akkordeon_dask.cli._tidy import tidy
from akkordeon_dask.errors import ClosedError
from akkordeon_dask.network import Sentinel
from akkordeon_dask.runtime import Attached, Guest, Running, connect, stay

__all__ = ["sentinel"]


@click.command(short_help="Join a running network: train it, or rate it.")
@click.argument("name")
@sentinel_options
@tidy
def sentinel(
    *,
    name: str,
    scheduler: str,
    tls: Security | None,
    alias: str | None,
    here: bool,
    worker: str | None,
    resume: bool,
    json: bool,
    **settings: Any,
) -> None:
    """Attach a sentinel to the network NAME, from any terminal, and show its passes until Ctrl-C or SIGTERM.

    It then leaves: the gates forget what they hold for it, other sentinels go on. Any number of them may train and
    rate a network at once, each with its own data.

    \b
    Examples:
      dask akkordeon sentinel digits --mode train --data mnist \\
          --scheduler tcp://127.0.0.1:8786
      dask akkordeon sentinel digits --mode train --data mnist --shard 1/4
          the first of four that share the data
      dask akkordeon sentinel digits --mode validate --data mnist --every 10s
      dask akkordeon sentinel digits --mode test --data mnist
          once
      dask akkordeon sentinel digits --mode train \\
          --data readings.py:provider --here
          data of your own, which stay on this machine

    With --here this process is a worker of the cluster for as long as it runs, and the sentinel is in it: the
    gates' workers have to reach this machine. Else it is beside the first gate, or where --worker says, and the data
    have to be there.
    """  # fmt: skip
    if here and worker is not None:
        raise click.UsageError(f"--here and --worker {worker} name two places: give one of them")
    output = JsonOutput() if json else Output()
    bounded = settings["mode"] == "test" or settings["epochs"] is not None
    make = _maker(**settings)
    with (
        interruptible(),
        client_at(scheduler, tls) as client,
        connect(name, client) as running,
        Guest(client) if here else nullcontext() as guest,
    ):
        attached = running.attach(make(alias, guest.address if guest is not None else worker), resume=resume)
        try:
            if guest is not None:
                guest.shut()
            _work(running, attached, output, bounded=bounded)
        finally:
            running.detach(attached)


def _maker(*, mode: Any, data: str, take: int | None, shard: Any, seed: int | None, **options: Any) -> Any:
    """Looks at the options; gives the function that makes the sentinel of a name, at a place."""
    chosen = {"take": take, "shard": shard, "seed": seed}
    provider = provider_of(data, mode, {key: value for key, value in chosen.items() if value is not None})
    return lambda name, place: Sentinel(mode, provider, name=name, workers=place, **options)


def _work(running: Running, attached: Attached, output: Output, *, bounded: bool) -> None:
    """Show its passes until it rests, is interrupted, or the network ends."""
    reason = "done"
    try:
        output.event("sentinel", network=running.name, sentinel=attached.name, worker=attached.worker)
        output.say("sentinel", f"{attached.name} on {attached.worker} works on network {running.name!r}")
        output.passes(running, partial(stay, running, attached), mine=True)
    except ClosedError:
        raise ClosedError(f"network {running.name!r} was stopped: sentinel {attached.name!r} ended with it") from None
    except KeyboardInterrupt:
        if bounded:
            raise
        reason = "interrupted"
    output.say("end", f"sentinel {attached.name} has left after {len(attached.reports)} passes")
    output.event("end", network=running.name, sentinel=attached.name, passes=len(attached.reports), reason=reason)
