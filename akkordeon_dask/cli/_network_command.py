"""`dask akkordeon network`."""

from typing import Any

import click
from distributed import Security

from akkordeon_dask.cli._cluster import client_at
from akkordeon_dask.cli._options import report_option
from akkordeon_dask.cli._output import JsonOutput, Output
from akkordeon_dask.cli._signals import interruptible
from akkordeon_dask.cli._target import call_named, named
from akkordeon_dask.cli._tidy import tidy
from akkordeon_dask.cli._where import cluster_options
from akkordeon_dask.errors import ClosedError, SpecError
from akkordeon_dask.network import Gate, Network
from akkordeon_dask.runtime import Running, deploy, stay

__all__ = ["network"]


@click.command(short_help="Deploy a network, and own it until Ctrl-C.")
@click.argument("target")
@click.option("--name", required=True, help="The name by which others find it.")
@cluster_options
@click.option(
    "--save",
    type=click.Path(dir_okay=False, writable=True),
    metavar="FILE",
    help="At the end, write the parameters to this safetensors file or fsspec URL.",
)
@report_option
@click.option("--load", metavar="FILE", help="Begin with the parameters of such a file.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the first parameters and the dropout.")
@click.option(
    "--json",
    is_flag=True,
    help="Standard output carries one JSON object a line: when the network is up, "
    "and at the end; the text goes to standard error.",
)
@tidy
def network(
    *,
    target: str,
    name: str,
    scheduler: str,
    tls: Security | None,
    save: str | None,
    report: str | None,
    load: str | None,
    seed: int,
    json: bool,
) -> None:
    """Deploy the network TARGET on a cluster, publish it under a name, and stay as its owner until Ctrl-C or SIGTERM.

    TARGET is MODULE:NETWORK or FILE.py:NETWORK: a Network or a Gate, or a function without arguments that gives one.
    A module has to be installed on scheduler and workers too. A file need not: the layers, losses and providers that
    it defines, or that a module beside it defines, travel with the network. What else it imports has to be installed.

    It trains nothing by itself: sentinels join it, from this terminal or any other.

    \b
    Examples:
      dask akkordeon network digits.py:network --name digits \\
          --scheduler tcp://127.0.0.1:8786
      dask akkordeon network my_package.nets:make --name digits --seed 3 \\
          --save digits.safetensors
          a function that makes it; saved at the end
      dask akkordeon network digits.py:network --name digits \\
          --load digits.safetensors --save digits.safetensors
          where it left off
      dask akkordeon sentinel digits --mode train --data mnist
          trains it

    When a gate is lost, it says which and ends with exit code 1. When somebody stops the network (`dask akkordeon
    stop`), it ends too, and with --save it saves first.
    """  # fmt: skip
    output = JsonOutput() if json else Output()
    spec = network_named(target)
    with interruptible(), client_at(scheduler, tls) as client, deploy(spec, client, name=name, seed=seed) as running:
        if load is not None:
            running.load(load)
        ended = serve(output, running)
        if save is not None:
            running.save(save)
            output.saved(save)
        if report is not None:
            running.report(report)
            output.reported(report)
        running.close()
        output.say("end", f"network {name!r} " + _ENDS[ended])
        output.event("end", network=name, reason=ended)


def network_named(target: str) -> Network:
    """The network that TARGET stands for.

    Raises
    ------
    SpecError
        when it stands for something else.
    """
    value: Any = named(target, "network")
    if not isinstance(value, Network | Gate) and callable(value):
        value = call_named(value, target)
    if isinstance(value, Gate):
        return Network([value])
    if not isinstance(value, Network):
        raise SpecError(f"{target} is {value!r:.80}, not a network: it has to be gates joined by |, or to give them")
    return value


def say_up(output: Output, running: Running) -> None:
    """What it is, where it is, and what others type to join it."""
    output.say("name", running.name)
    output.begin(running)
    assert running.client.scheduler is not None
    address = str(running.client.scheduler.address)
    output.event(
        "network",
        network=running.name,
        scheduler=address,
        dashboard=running.dashboard_link,
        parameters=running.network.parameter_count,
        gates=[{"gate": gate, "worker": worker} for gate, worker in running.placement.items()],
    )
    # Last: who reads this line may interrupt at once.
    output.say("join it", f"dask akkordeon sentinel {running.name} --scheduler {address} --mode train --data mnist")


_ENDS = {"interrupted": "is closed", "stopped": "was stopped by somebody else"}


def serve(output: Output, running: Running) -> str:
    """Say that it is up, and stay until it ends; gives why. An interrupt may come from the first line on."""
    try:
        say_up(output, running)
        stay(running)
    except KeyboardInterrupt:
        return "interrupted"
    except ClosedError:
        pass
    return "stopped"
