"""The report on a run: one HTML file that needs nothing else."""

import asyncio
import logging
import os
import platform
import time
from collections.abc import Awaitable, Mapping
from typing import Any

import numpy as np
from distributed import Client
from distributed.utils import offload

from akkordeon_dask import config
from akkordeon_dask._files import expand, write_or_raise
from akkordeon_dask._version import __version__
from akkordeon_dask.dashboard.report import RunFacts
from akkordeon_dask.errors import ReportError
from akkordeon_dask.runtime._arguments import check_client, check_name
from akkordeon_dask.runtime._registry import require
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime._sync import verb
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline
from akkordeon_dask.telemetry import NetworkTelemetry, network_telemetry

__all__ = ["report", "report_session"]

logger = logging.getLogger(__name__)


@verb
def report(name: str, client: Client, target: str | os.PathLike[str]) -> Awaitable[None]:
    """Write the run of a network into one HTML file, as `Running.report` does: of any owner's, also after its end.

    Parameters
    ----------
    target
        a path on this machine or fsspec URL; a local file is replaced in one step.

    Raises
    ------
    DeploymentError
        when nobody knows a network of this name.
    ReportError
        when it cannot be written; an earlier file is left as it was.
    """
    return _report(check_name("a network's name", name), check_client(client), expand("report", target))


async def _report(name: str, client: Client, target: str) -> None:
    async with scheduler_deadline(client, config.seconds("timeouts.connect")):
        found: NetworkTelemetry | None = await client.run_on_scheduler(network_telemetry, name)
    if found is None:
        await require(client, name)
        found = NetworkTelemetry(name)
    await offload(_write, found, _scheduler_facts(found), target)


async def report_session(session: Session, target: str, *, owner: bool) -> None:
    """`Running.report`, on the client's event loop, or on any where the client is closed."""
    found = None if session.client.status == "closed" else await _telemetry(session)
    settings = {"seed": session.entry.seed, "generation": session.entry.generation} if owner else {}
    facts = _client_facts(session, settings, found)
    await offload(_write, found or NetworkTelemetry(session.name), facts, target)


async def _telemetry(session: Session) -> NetworkTelemetry | None:
    """The scheduler's record of the network; None where it does not answer."""
    try:
        async with asyncio.timeout(config.seconds("timeouts.connect")):
            found: NetworkTelemetry | None = await session.client.run_on_scheduler(network_telemetry, session.name)
    except Exception as error:
        logger.info("a report on network %r without the scheduler's part: %r", session.name, error)
        return None
    return found


def _client_facts(session: Session, settings: Mapping[str, Any], found: NetworkTelemetry | None) -> RunFacts:
    pairs = zip(session.gates, session.network, strict=True)
    return RunFacts(
        network="\n| ".join(map(repr, session.network)),
        gates=tuple((handle.name, handle.worker, gate.parameter_count) for handle, gate in pairs),
        sentinels=dict(session.sentinel_specs),
        settings=_settings(settings, found),
        passes=session.passes.history(),
        note="" if found is not None else "without the scheduler's part: curves over time are missing",
    )


def _scheduler_facts(found: NetworkTelemetry) -> RunFacts:
    def gate(name: str, worker: str) -> tuple[str, str, int]:
        rates = found.gates.get(name)
        return (name, worker, 0) if rates is None else (name, rates.address, rates.metrics.parameters)

    return RunFacts(
        network="\n| ".join(spec.text for spec in found.specs),
        gates=tuple(gate(spec.name, spec.worker) for spec in found.specs),
        settings=_settings({}, found),
    )


def _settings(own: Mapping[str, Any], found: NetworkTelemetry | None) -> dict[str, Any]:
    """Settings of the deployment, from its owner or else from the scheduler, and versions."""
    return {
        **own,
        "akkordeon_dask": __version__,
        **(found.settings if found is not None else {}),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def _write(found: NetworkTelemetry, facts: RunFacts, target: str) -> None:
    """Write the file. It takes a second, too long for an event loop.

    Raises
    ------
    ReportError
        when it cannot be written.
    """
    from akkordeon_dask.dashboard.report._report import report  # needs bokeh

    text = report(found, facts, time.time())
    write_or_raise(target, [text.encode()], ReportError)
