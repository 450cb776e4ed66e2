"""The options that name the cluster of a command, and the address that they amount to."""

import functools
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import dask.config
from distributed import Security

from akkordeon_dask._files import read_bytes
from akkordeon_dask.cli._wait import NotYetError, WaitLimit
from akkordeon_dask.cli.options._param_types import duration, path_or_url
from akkordeon_dask.cli.options._shared_options import combine
from akkordeon_dask.errors import DeploymentError

__all__ = ["ClusterAddress", "cluster_options"]

Command = Callable[..., None]

_FILES = ("ca.pem", "cert.pem", "key.pem")


@dataclass(frozen=True, kw_only=True)
class ClusterAddress:
    """A cluster that runs or is about to; with neither address nor file, the user named none."""

    address: str | None = None
    file: str | None = None
    """A scheduler file, as `dask scheduler --scheduler-file` writes it. `find_address` reads it."""
    security: Security | None = None
    """Keys and certificates; None: those of Dask's configuration."""
    patience: WaitLimit = field(default_factory=lambda: WaitLimit(0.0))

    def __bool__(self) -> bool:
        return self.address is not None or self.file is not None

    @property
    def words(self) -> tuple[str, str]:
        """The option for this cluster, for a command that a user can paste."""
        return ("--scheduler-file", self.file) if self.file is not None else ("--scheduler", self.address or "")

    def find_address(self) -> str:
        """The scheduler's address.

        Raises
        ------
        NotYetError
            when the scheduler file is missing or incomplete.
        DeploymentError
            when it is no scheduler file.
        """
        return _address_in(self.file) if self.file is not None else self.address or ""


def _address_in(file: str) -> str:
    start = f"start `dask scheduler --scheduler-file {file}` on storage that both share"
    try:
        content = json.loads(read_bytes(file))
    except FileNotFoundError:
        raise NotYetError(f"there is no scheduler file {file!r}: {start}") from None
    except (ValueError, RecursionError) as error:
        raise NotYetError(f"the scheduler file {file!r} is no whole JSON: {error}: {start}") from error
    except (OSError, ImportError) as error:
        raise DeploymentError(f"cannot read the scheduler file {file!r}: {error}: check the path") from error
    address = content.get("address") if isinstance(content, dict) else None
    if not isinstance(address, str):
        raise DeploymentError(f"{file!r} names no address of a scheduler, it holds {content!r:.80}: {start}")
    return address


def _security(ctx: click.Context, param: click.Parameter, value: str | None) -> Security | None:
    folder = path_or_url(ctx, param, value)
    if folder is None:
        return None
    ca, cert, key = (str(Path(folder) / name) for name in _FILES)
    if missing := [name for name in _FILES if not os.path.isfile(Path(folder) / name)]:
        raise click.BadParameter(f"{value!r} has no {', no '.join(missing)}: it needs {', '.join(_FILES)}")
    roles = {
        f"tls_{role}_{part}": file for role in ("client", "worker") for part, file in (("cert", cert), ("key", key))
    }
    return Security(require_encryption=True, tls_ca_file=ca, **roles)


def _configured() -> str:
    address = dask.config.get("scheduler-address", None)
    if not address:
        raise click.UsageError(
            "which cluster? Give --scheduler tcp://HOST:PORT, which `dask scheduler` prints, or --scheduler-file FILE, "
            "or set DASK_SCHEDULER_ADDRESS"
        )
    return str(address)


_FALLBACK = "  [default: $DASK_SCHEDULER_ADDRESS, or scheduler-address in Dask's configuration]"


def _wait(ctx: click.Context, param: click.Parameter, value: str) -> float:
    return 0.0 if value.strip().rstrip("s") == "0" else duration(ctx, param, value)


_WAIT = click.option(
    "--wait", callback=_wait, default="60s", metavar="TIME",
    help="Time to wait for a scheduler, network or worker that is not there yet: 20s, 1.5min; 0: not at all.",
)  # fmt: skip


def cluster_options(*, required: bool = True, wait: bool = False) -> Callable[[Command], Command]:
    """Give a command `--scheduler`, `--scheduler-file` and `--tls`; it gets them as one `where`.

    Parameters
    ----------
    required
        one of the first two has to be given, here or in Dask's configuration.
    wait
        the command has `--wait` too.
    """
    options = [
        click.option(
            "--scheduler", metavar="ADDRESS", help=f"The cluster, tcp://HOST:PORT or tls://HOST:PORT."
            f"{_FALLBACK if required else ''}",
        ),
        click.option(
            "--scheduler-file", metavar="FILE", callback=path_or_url,
            help="The cluster whose `dask scheduler --scheduler-file FILE` wrote this file.",
        ),
        click.option(
            "--tls", metavar="FOLDER", callback=_security,
            help="Speak TLS with the ca.pem, cert.pem and key.pem in this folder.  [default: distributed.comm.tls "
            "in Dask's configuration]",
        ),
        *([_WAIT] if wait else []),
    ]  # fmt: skip

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def run(*, scheduler: str | None, scheduler_file: str | None, tls: Security | None, **others: Any) -> None:
            if scheduler is not None and scheduler_file is not None:
                raise click.UsageError(
                    f"--scheduler {scheduler} and --scheduler-file {scheduler_file} name two clusters: give one of them"
                )
            if required and scheduler is None and scheduler_file is None:
                scheduler = _configured()
            patience = WaitLimit(others.pop("wait", 0.0))
            where = ClusterAddress(address=scheduler, file=scheduler_file, security=tls, patience=patience)
            command(where=where, **others)

        return combine(*options)(run)

    return decorate
