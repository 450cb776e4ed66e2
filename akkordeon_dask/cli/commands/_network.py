"""`dask akkordeon network`."""

import shlex
from collections.abc import Mapping
from typing import Any

import click
import numpy as np
from click.core import ParameterSource

from akkordeon_dask.cli._connection import client_at
from akkordeon_dask.cli._errors import report_errors
from akkordeon_dask.cli._import_target import call_named, import_object
from akkordeon_dask.cli._output import JsonOutput, Output
from akkordeon_dask.cli._signals import interruptible
from akkordeon_dask.cli.options._cluster_options import ClusterAddress
from akkordeon_dask.cli.options._network_options import network_options, resume_command
from akkordeon_dask.cli.options._shared_options import updates_of
from akkordeon_dask.errors import ClosedError, SchedulerLostError, SpecError
from akkordeon_dask.network import Gate, Network
from akkordeon_dask.runtime import Running, deploy
from akkordeon_dask.runtime import adopt as take_over

__all__ = ["network"]


@click.command(short_help="Deploy a network, and own it until Ctrl-C.")
@click.argument("target", required=False)
@network_options
@report_errors
def network(
    *,
    target: str | None,
    name: str | None,
    where: ClusterAddress,
    adopt: str | None,
    save: str | None,
    report: str | None,
    load: str | None,
    json: bool,
    n_microbatches: int | None,
    **options: Any,
) -> None:
    """Deploy the network TARGET on a cluster, publish it under a name, and stay as its owner until Ctrl-C or SIGTERM.

    TARGET is MODULE:NETWORK or FILE.py:NETWORK: a Network or a Gate, or a function without arguments that returns one.
    A module has to be installed on scheduler and workers too. A file need not: the layers, losses and providers that
    it defines, or that a module beside it defines, travel with the network. All other imports have to be installed.

    The network trains nothing by itself: sentinels join it, from this terminal or any other.

    \b
    Examples:
      dask akkordeon network digits.py:network --name digits \\
          --scheduler tcp://127.0.0.1:8786
      dask akkordeon network my_package.nets:make --name digits --seed 3 \\
          --save digits.safetensors
          a function that returns it; saved at the end
      dask akkordeon network digits.py:network --name digits \\
          --load digits.safetensors --save digits.safetensors
          resumes from a saved file
      dask akkordeon network digits.py:network --name digits \\
          --snapshots /shared/digits --snapshot-every 10s
          survives the loss of workers
      dask akkordeon network digits.py:network --name digits \\
          --resume /shared/digits
          resumes after everything was stopped
      dask akkordeon network --adopt digits
          takes over from an owner that is gone
      dask akkordeon sentinel digits --mode train --data mnist
          trains it

    The loss of a gate without snapshots ends this program with an error and exit code 1. When somebody stops the
    network (`dask akkordeon stop`), or another owner adopts it, the program ends too, and with --save it saves first.
    """  # fmt: skip
    output = JsonOutput() if json else Output()
    known = _network_name(target, name, adopt)
    if adopt is not None and n_microbatches is not None:
        raise click.UsageError("--adopt keeps the network's own updates: leave --n-microbatches out")
    if adopt is None:
        _check_snapshot_options(options)
    elif options["resume"] or options["snapshots"] or _given("take_over", "snapshot_every"):
        raise click.UsageError(
            "--adopt keeps the network's own snapshots: leave --snapshots, --snapshot-every, --resume and --take-over "
            "out"
        )
    options |= {"updates": updates_of(n_microbatches), "n_microbatches": n_microbatches}
    spec = network_named(target) if target is not None else None
    again = resume_command(target, known, where, options["resume"] or options["snapshots"])

    def begin() -> Running:
        return take_over(known, client) if spec is None else deploy(spec, client, name=known, **options)

    with (
        interruptible(),
        client_at(where, again) as client,
        where.patience.until(begin) as running,
        output.events(running),
    ):
        if load is not None:
            running.load(load)
        try:
            ended = serve_until_closed(output, running)
        except SchedulerLostError as error:
            if save is not None:
                error.add_note(f"{save} was not written: the parameters were on the workers")
            raise
        output.write_files(running, save=save, report=report)
        running.close()
        output.say("end", f"network {known!r} " + _ENDS[ended])
        output.event("end", network=known, reason=ended)


def _network_name(target: str | None, name: str | None, adopt: str | None) -> str:
    """The name of the network, from --name beside TARGET, or from --adopt alone."""
    if adopt is not None and (target is not None or name is not None):
        raise click.UsageError("--adopt NAME stands instead of TARGET and --name: the network is running")
    if adopt is None and (target is None or name is None):
        raise click.UsageError("TARGET and --name are needed: `network TARGET --name NAME`, or `network --adopt NAME`")
    return adopt or name or ""


def _check_snapshot_options(options: Mapping[str, Any]) -> None:
    """UsageError for options of snapshots where none are written."""
    if options["snapshots"] or options["resume"]:
        return
    for name in _given("take_over", "snapshot_every"):
        option = "--" + name.replace("_", "-")
        raise click.UsageError(
            f"{option} is for snapshots, and none are written: say where, --snapshots URL or --resume URL"
        )


def _given(*names: str) -> list[str]:
    """Those of the options that are on the command line."""
    source = click.get_current_context().get_parameter_source
    return [name for name in names if source(name) is not ParameterSource.DEFAULT]


def network_named(target: str) -> Network:
    """The network that TARGET names.

    Raises
    ------
    SpecError
        when TARGET names something else.
    """
    value: Any = import_object(target, "network")
    if not isinstance(value, Network | Gate) and callable(value):
        value = call_named(value, target)
    if isinstance(value, Gate):
        return Network([value])
    if not isinstance(value, Network):
        raise SpecError(
            f"{target} is {value!r:.80}, not a network: it has to be gates joined by |, or a function that returns them"
        )
    return value


def print_banner(output: Output, running: Running) -> None:
    """Print the network, its workers, and the command that joins it."""
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
        gates=[{"gate": gate, **output.worker_fields(worker)} for gate, worker in running.placement.items()],
    )
    # Last: a program that reads this line may interrupt at once.
    words = ["dask", "akkordeon", "sentinel", running.name, "--scheduler", address, "--mode", "train", "--data"]
    output.say("join it", shlex.join([*words, "mnist" if _takes_images(running.network) else "DATA"]))


def _takes_images(network: Network) -> bool:
    """Whether it takes those of MNIST; layers of the user's own may raise anything."""
    try:
        network.check_input((784,), np.dtype(np.uint8))
    except Exception:
        return False
    return True


_ENDS = {"interrupted": "is closed", "stopped": "was stopped or adopted by somebody else"}


def serve_until_closed(output: Output, running: Running) -> str:
    """Print the banner and stay until the network ends; returns the reason. An interrupt may come at the first line."""
    try:
        print_banner(output, running)
        running.wait_closed()
    except KeyboardInterrupt:
        return "interrupted"
    except ClosedError:
        pass
    return "stopped"
