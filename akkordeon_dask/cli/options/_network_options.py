"""The options of `network`."""

import shlex

import click

from akkordeon_dask.cli.options._cluster_options import ClusterAddress, cluster_options
from akkordeon_dask.cli.options._param_types import count_or_duration, path_or_url
from akkordeon_dask.cli.options._shared_options import combine, microbatches_option, report_option, save_option

__all__ = ["network_options", "resume_command"]


def resume_command(target: str | None, name: str, where: ClusterAddress, url: str | None) -> str | None:
    """The command that resumes from the snapshots at a URL; None without snapshots."""
    if url is None or target is None:
        return None
    words = ["dask", "akkordeon", "network", target, "--name", name, *where.words, "--resume", url]
    return shlex.join(words)


network_options = combine(
    click.option("--name", help="The name by which others find it."),
    cluster_options(wait=True),
    click.option(
        "--snapshots", callback=path_or_url, metavar="URL",
        help="Write snapshots of every gate there, to a path that all workers share or any fsspec URL: a gate whose "
        "worker is lost restarts from them.",
    ),
    click.option(
        "--snapshot-every", callback=count_or_duration, default="30s", metavar="TIME|N",
        help="Between two snapshots of a gate: a time, 20s or 1.5min, or a number of updates, 1000.",
    ),
    click.option(
        "--resume", callback=path_or_url, metavar="URL",
        help="Resume from the snapshots there, and write new ones there too.",
    ),
    click.option(
        "--take-over", is_flag=True,
        help="Write snapshots there though another program may still do so: it finds that out, and writes no more.",
    ),
    click.option(
        "--adopt", metavar="NAME",
        help="Instead of TARGET: take over a running network from its owner, which is gone or ends.",
    ),
    microbatches_option,
    save_option,
    report_option,
    click.option(
        "--load", callback=path_or_url, metavar="FILE", help="Begin with the parameters of a safetensors file or URL."
    ),
    click.option(
        "--seed", type=click.IntRange(min=0), default=0, help="Seed of the initial parameters and the dropout."
    ),
    click.option(
        "--json", is_flag=True,
        help="Write one JSON object a line to standard output, when the network is deployed and at the end; text "
        "goes to standard error.",
    ),
)  # fmt: skip
