"""The options that say which cluster, for every command that talks to one."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
import dask.config
from distributed import Security

__all__ = ["cluster_options", "scheduler_option", "tls_option"]

Command = TypeVar("Command", bound=Callable[..., None])

_FILES = ("ca.pem", "cert.pem", "key.pem")


def _default(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    address = value or dask.config.get("scheduler-address", None)
    if not address:
        raise click.UsageError(
            "which cluster? Give --scheduler tcp://HOST:PORT, which `dask scheduler` prints, or set "
            "DASK_SCHEDULER_ADDRESS"
        )
    return str(address)


def _security(ctx: click.Context, param: click.Parameter, value: str | None) -> Security | None:
    if value is None:
        return None
    ca, cert, key = (str(Path(value) / name) for name in _FILES)
    if missing := [name for name in _FILES if not (Path(value) / name).is_file()]:
        raise click.BadParameter(f"{value!r} has no {', no '.join(missing)}: it needs {', '.join(_FILES)}")
    roles = {
        f"tls_{role}_{part}": file for role in ("client", "worker") for part, file in (("cert", cert), ("key", key))
    }
    return Security(require_encryption=True, tls_ca_file=ca, **roles)


scheduler_option = click.option(
    "--scheduler", metavar="ADDRESS", callback=_default,
    help="The cluster, tcp://HOST:PORT or tls://HOST:PORT.  [default: $DASK_SCHEDULER_ADDRESS, or scheduler-address in "
    "Dask's configuration]",
)  # fmt: skip

tls_option = click.option(
    "--tls", metavar="FOLDER", callback=_security,
    help="Speak TLS with the ca.pem, cert.pem and key.pem in this folder.  [default: what distributed.comm.tls in "
    "Dask's configuration says]",
)  # fmt: skip


def cluster_options(command: Command) -> Command:
    """Give a command `--scheduler`, which it has to have, and `--tls`."""
    return scheduler_option(tls_option(command))
