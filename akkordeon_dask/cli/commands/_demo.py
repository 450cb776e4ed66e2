"""`dask akkordeon demo`."""

import functools
import time
from typing import Any

import click
from distributed import Client

from akkordeon_dask.cli._connection import client_of
from akkordeon_dask.cli._errors import report_errors
from akkordeon_dask.cli._output import JsonOutput, Output
from akkordeon_dask.cli._signals import interruptible
from akkordeon_dask.cli.demo import _defaults
from akkordeon_dask.cli.demo._settings import Settings
from akkordeon_dask.cli.options._cluster_options import ClusterAddress
from akkordeon_dask.cli.options._demo_options import options
from akkordeon_dask.cli.options._param_types import gate_values
from akkordeon_dask.cli.options._shared_options import updates_of
from akkordeon_dask.messages import PassReport
from akkordeon_dask.runtime import Running, deploy

__all__ = ["demo"]


@click.command(short_help="Train a network on images of digits or clothes.")
@options
@report_errors
def demo(
    *,
    json: bool,
    workers: int,
    where: ClusterAddress,
    save: str | None,
    report: str | None,
    lr: Any,
    dropout: Any,
    **settings: Any,
) -> None:
    """Train a network, one gate for each linear layer, and print its test accuracy.

    Training sentinels send batches through the gates while a validation sentinel rates the network on the test
    data. Each line is a finished pass of a sentinel over its data; on a terminal each bar is a pass in progress. The
    dashboard shows the rest.

    \b
    Examples:
      dask akkordeon demo
          the digits that come with the package, in this process
      dask akkordeon demo --data mnist --sentinels 2 --epochs 30
          all of MNIST, shared by two training sentinels
      dask akkordeon demo --sizes 784,128,10 --lr 0.02,0.01 --dropout 0.1
          another network; a learning rate for each of its two gates
      dask akkordeon demo --workers 2
          the gates spread over two processes
      dask akkordeon demo --scheduler tcp://127.0.0.1:8786
          on a running cluster
      dask akkordeon demo --report run.html
          the run as one HTML file
      dask akkordeon demo --json 2>/dev/null | jq .loss
          the losses, for another program
    """
    gates = len(settings["sizes"]) - 1
    settings["lr"] = gate_values("--lr", lr or (_defaults.LEARNING_RATES[settings["optimizer"]],), gates)
    settings["dropout"] = gate_values("--dropout", dropout, gates - 1)
    if workers and where:
        raise click.UsageError(
            f"--workers {workers} starts a cluster, {' '.join(where.words)} names a running one: give one of them"
        )
    if where.security is not None and not where:
        raise click.UsageError("--tls is for a running cluster: give its --scheduler tls://HOST:PORT")
    output = JsonOutput() if json else Output()
    plan = Settings(**settings)
    with (
        interruptible(),
        client_of(workers, where) as client,
        _deployed(plan, client, where) as running,
        output.events(running, own=lambda sentinel: True),
    ):
        output.begin(running)
        write_files = functools.partial(output.write_files, running, save=save, report=report)
        try:
            final, seconds = train(running, plan, output)
            write_files()
        except KeyboardInterrupt:  # the files hold the parameters trained so far
            write_files()
            raise
        output.end(plan.epochs, final, seconds)


def _deployed(plan: Settings, client: Client | None, where: ClusterAddress) -> Running:
    size = plan.n_microbatches
    return where.patience.until(
        lambda: deploy(plan.network(), client, seed=plan.seed, updates=updates_of(size), n_microbatches=size)
    )


def train(running: Running, plan: Settings, output: Output) -> tuple[PassReport, float]:
    """Attach the sentinels and show their passes; returns the test pass, and the seconds of training."""
    begun = time.perf_counter()
    # Validation first: a short run would be over before its first pass.
    for sentinel in (plan.validation(), *plan.training()):
        running.attach(sentinel)
    output.passes(running, running.wait)
    seconds = time.perf_counter() - begun
    final: PassReport = running.evaluate(plan.test(), progress=False)
    output.test(final)
    return final, seconds
