"""Events of a network, logged on the scheduler for its telemetry and for all who subscribe."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from dask.utils import format_bytes
from distributed import Client

from akkordeon_dask import config
from akkordeon_dask._version import __version__
from akkordeon_dask.actors import RESTART_TOPIC
from akkordeon_dask.dashboard import announce
from akkordeon_dask.errors import AkkordeonError, DeadlineError, SchedulerLostError, WorkerLostError
from akkordeon_dask.messages import PASS_TOPIC, TOPIC, PassReport
from akkordeon_dask.network import Network
from akkordeon_dask.runtime.handles._gate import GateHandle

__all__ = ["announce_network", "explain_loss", "log_event", "log_pass", "lost_text"]

logger = logging.getLogger(__name__)


async def announce_network(
    client: Client, label: str, network: Network, gates: Iterable[GateHandle], settings: dict[str, Any]
) -> None:
    """Announce a network to the scheduler's telemetry; no error when that fails: the network still trains."""
    specs = [
        {"name": handle.name, "worker": handle.worker, "text": repr(gate), "policy": gate.policy}
        for gate, handle in zip(network, gates, strict=True)
    ]
    settings = {"akkordeon_dask": __version__, **settings}
    event = {"network": label, "event": "deployed", "gates": specs, "settings": settings}
    try:
        async with asyncio.timeout(config.seconds("timeouts.connect")):
            await client.run_on_scheduler(announce, event)
    except OSError as error:  # the scheduler does not answer: a TimeoutError is one
        logger.info("network %r will not be on the dashboard: %r", label, error)
    except Exception as error:
        logger.warning("network %r will not be on the dashboard: %r", label, error)


_MEMORY_TOPIC = "worker-restart-memory"
"""Dask's: its nannies log there which workers they end for their memory."""


async def explain_loss(client: Client, worker: str, error: AkkordeonError) -> AkkordeonError:
    """The error of an actor that was lost with its worker, with the reason where the scheduler knows it."""
    if not isinstance(error, WorkerLostError | DeadlineError | SchedulerLostError):
        return error
    try:
        async with asyncio.timeout(config.seconds("timeouts.close")):
            memory = await client.scheduler.events(topic=_MEMORY_TOPIC)  # type: ignore[union-attr]
            restarts = await client.scheduler.events(topic=RESTART_TOPIC)  # type: ignore[union-attr]
    except Exception as failure:
        logger.info("the scheduler does not tell why %s is gone: %r", worker, failure)
        return error
    for _, event in memory:
        if event.get("worker") == worker:
            size = format_bytes(event.get("rss", 0))
            return type(error)(
                f"{error}. Its nanny ended it for its memory, of which it used {size}: give the worker more "
                "(--memory-limit), or spread the gates over more workers"
            )
    if any(worker in event.get("workers", ()) for _, event in restarts):
        return WorkerLostError(
            f"{worker} is gone: somebody restarted the whole cluster, by client.restart or Dask's page"
        )
    return error


def lost_text(worker: str) -> str:
    """Text of the event `lost`: an actor is lost with its worker and about to be restarted."""
    return f"{worker} is gone, or gives no sign of life: it is restarted from where it was"


async def log_event(client: Client, label: str, event: str, **facts: Any) -> None:
    """Log an event of a network; no error when the scheduler does not answer."""
    await _log(client, TOPIC, {"network": label, "event": event, **facts})


async def log_pass(client: Client, label: str, report: PassReport) -> None:
    """Log a pass as its sentinel's worker does, for telemetry and for other clients."""
    await _log(client, [TOPIC, PASS_TOPIC], {"network": label, "event": "pass", **report.as_dict()})


async def _log(client: Client, topic: str | list[str], message: dict[str, Any]) -> None:
    try:
        async with asyncio.timeout(config.seconds("timeouts.close")):
            await client.scheduler.log_event(topic=topic, msg=message)  # type: ignore[union-attr]
    except Exception as error:
        logger.info("the scheduler does not know of the event %s: %r", message, error)
