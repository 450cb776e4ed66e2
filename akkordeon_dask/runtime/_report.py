"""A report on a network by its name, for a client that has not connected to it: all that the scheduler remembers."""

import os
from typing import Any

from distributed import Client
from distributed.utils import offload

from akkordeon_dask import config
from akkordeon_dask._files import expand
from akkordeon_dask.dashboard.report import RunFacts
from akkordeon_dask.runtime._arguments import check_client, check_name
from akkordeon_dask.runtime._registry import require
from akkordeon_dask.runtime._reporting import all_settings, write_report
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline
from akkordeon_dask.telemetry import NetworkTelemetry, network_telemetry

__all__ = ["report"]


def report(name: str, client: Client, target: str | os.PathLike[str]) -> Any:
    """Write the run of a network into one HTML file, as `Running.report` does, whoever owns it, and if it has ended.

    Parameters
    ----------
    target
        a path on this machine or fsspec URL; a local file is replaced in one step.

    Raises
    ------
    DeploymentError
        when nobody knows a network of this name.
    ReportError
        when it cannot be written; what was there is left as it was.
    """
    check_name("a network's name", name)
    return check_client(client).sync(_report, name, client, expand("report", target))


async def _report(name: str, client: Client, target: str) -> None:
    async with scheduler_deadline(client, config.seconds("timeouts.connect")):
        found: NetworkTelemetry | None = await client.run_on_scheduler(network_telemetry, name)
    if found is None:
        await require(client, name)
        found = NetworkTelemetry(name)
    await offload(write_report, found, _known(found), target)


def _known(found: NetworkTelemetry) -> RunFacts:
    def gate(name: str, worker: str) -> tuple[str, str, int]:
        meter = found.gates.get(name)
        return (name, worker, 0) if meter is None else (name, meter.address, meter.metrics.parameters)

    return RunFacts(
        network="\n| ".join(spec.text for spec in found.specs),
        gates=tuple(gate(spec.name, spec.worker) for spec in found.specs),
        settings=all_settings({}, found),
    )
