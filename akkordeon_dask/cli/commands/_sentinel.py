"""`dask akkordeon sentinel`."""

from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import click
from click.core import ParameterSource

from akkordeon_dask.cli._connection import client_at, wait_for_network
from akkordeon_dask.cli._endless import note_of_length
from akkordeon_dask.cli._errors import report_errors
from akkordeon_dask.cli._output import JsonOutput, Output
from akkordeon_dask.cli._signals import interruptible
from akkordeon_dask.cli.options._cluster_options import ClusterAddress
from akkordeon_dask.cli.options._data_option import sentinel_of
from akkordeon_dask.cli.options._sentinel_options import sentinel_options
from akkordeon_dask.errors import ClosedError
from akkordeon_dask.messages import Mode
from akkordeon_dask.runtime import Attached, GuestWorker, Running

__all__ = ["sentinel"]


@click.command(short_help="Join a running network: train, validate or test it.")
@click.argument("name")
@sentinel_options
@report_errors
def sentinel(
    *,
    name: str,
    where: ClusterAddress,
    mode: Mode | None,
    data: str,
    alias: str | None,
    here: bool,
    worker: str | None,
    resume: bool,
    json: bool,
    **settings: Any,
) -> None:
    """Attach a sentinel to the network NAME, from any terminal, and show its passes until Ctrl-C or SIGTERM.

    At the end it leaves: the gates drop its batches, other sentinels go on. Any number of sentinels may train, validate
    and test a network at once, each with its own data.

    \b
    Examples:
      dask akkordeon sentinel digits --mode train --data mnist \\
          --scheduler tcp://127.0.0.1:8786
      dask akkordeon sentinel digits --mode train --data mnist --shard 1/4
          the first of four that share the data
      dask akkordeon sentinel digits --mode validate --data mnist --every 10s
      dask akkordeon sentinel digits --mode test --data mnist
          one pass
      dask akkordeon sentinel digits --mode train \\
          --data readings.py:provider --here
          your own data, which stay on this machine
      dask akkordeon sentinel houses --mode train --data houses.py:provider \\
          --loss mean-squared-error --scores r2,rmse
          regression instead of classification
      dask akkordeon sentinel digits --data readings.py:night --epochs 5
          your own Sentinel, with another number of epochs
      dask akkordeon sentinel flowers --mode train --data iris.csv \\
          --target species --classes setosa,versicolor,virginica
          a table in a file, which the sentinel's worker reads
      dask akkordeon sentinel digits --mode validate --data mnist --every epoch
          after each epoch of the training sentinels
      dask akkordeon sentinel plant --mode train --data readings.py:stream \\
          --report-every 10s --fading 0.999
          a stream that never ends

    With --here this process is a worker of the cluster while it runs, and the sentinel runs in it: the gates' workers
    have to reach this machine. Otherwise the sentinel runs on the worker of the first gate, or on the one of --worker,
    and the data have to be there. The command waits for a network or worker that is not there yet.
    """  # fmt: skip
    if here and worker is not None:
        raise click.UsageError(f"--here and --worker {worker} name two workers: give one of them")
    output = JsonOutput() if json else Output()
    spec = sentinel_of(data, mode, _given(settings))
    spec = spec if alias is None else replace(spec, name=alias)
    spec = spec if worker is None else replace(spec, workers=worker)
    patience = where.patience
    attached: Attached | None = None

    def own(sentinel: str) -> bool:
        """Until it is attached, and has its name, any may be."""
        return attached is None or attached.name == sentinel

    with (
        interruptible(),
        client_at(where) as client,
        wait_for_network(name, client, patience) as running,
        GuestWorker(client) if here else nullcontext() as guest,
        ExitStack() as leaving,  # in front of the events, which see the error of a sentinel that has its name still
        output.events(running, own),
    ):
        spec = replace(spec, workers=guest.address) if guest is not None else spec
        attached = patience.until(lambda: running.attach(spec, resume=resume))
        leaving.callback(running.detach, attached)
        if guest is not None:
            guest.pause_tasks()
        _work(running, attached, output)


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    """The options on the command line; the others are those of `Sentinel`, or of the user's own one."""
    source = click.get_current_context().get_parameter_source
    return {name: value for name, value in settings.items() if source(name) is not ParameterSource.DEFAULT}


def _work(running: Running, attached: Attached, output: Output) -> None:
    """Show the passes until the sentinel is done, is interrupted, or the network ends."""
    reason = "done"
    bounded = attached.sentinel.mode == "test" or attached.sentinel.epochs is not None
    try:
        output.event("sentinel", network=running.name, sentinel=attached.name, **output.worker_fields(attached.worker))
        output.say(
            "sentinel", f"{attached.name} on {output.worker_text(attached.worker)} works on network {running.name!r}"
        )
        with note_of_length(attached, output.say):
            output.passes(running, partial(running.wait_for, attached), mine=True)
    except ClosedError:
        raise ClosedError(f"network {running.name!r} was stopped: sentinel {attached.name!r} ended with it") from None
    except KeyboardInterrupt:
        if bounded:
            raise
        reason = "interrupted"
    output.say("end", f"sentinel {attached.name} has left after {attached.reports.seen} passes")
    output.event("end", network=running.name, sentinel=attached.name, passes=attached.reports.seen, reason=reason)
