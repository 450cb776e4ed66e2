"""Gates whose computation hangs are restarted on other workers, where the user wants that."""

import asyncio
import logging

from distributed import Scheduler
from distributed.utils import offload

from akkordeon_dask import config
from akkordeon_dask.errors import CheckpointError, GateError, PlacementError
from akkordeon_dask.messages import TOPIC
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline
from akkordeon_dask.runtime.handles._gate import GateHandle
from akkordeon_dask.runtime.recovery._supervisor import Supervisor

__all__ = ["restart_hanging_gates"]

logger = logging.getLogger(__name__)

_POLL = 2.0
"""Seconds between two looks."""


async def restart_hanging_gates(policy: Supervisor) -> None:
    """Restart each gate whose thread makes no progress, for which `supervision.stuck` is over. Runs until cancelled.

    It stays where it is, and is only told, where it has no snapshot or there is no other worker for it.

    Raises
    ------
    AkkordeonError
        when one cannot be restarted.
    """
    session, left = policy.session, set[str]()
    while session.policy is policy:
        await asyncio.sleep(_POLL)
        try:
            async with scheduler_deadline(session.client, config.seconds("timeouts.connect")):
                found = await session.client.run_on_scheduler(_hanging, session.name)
        except Exception as error:
            logger.info("hanging gates of network %r are not known: %r", session.name, error)
            continue
        for gate in session.gates:
            text = found.get(str(gate.future.key))
            if text is None or str(gate.future.key) in left:
                continue
            if refusal := await _refusal(policy, gate):
                left.add(str(gate.future.key))
                logger.warning("%s hangs and is not restarted: %s", gate.label, refusal)
            else:
                await policy.gate_lost(gate, gate.future, GateError(f"{text} ({gate.worker})"))


async def _refusal(policy: Supervisor, gate: GateHandle) -> str:
    """Why a gate cannot be restarted; empty where it can."""
    entry = policy.session.entry
    policy.hanging.add(gate.worker)
    try:
        assert entry.snapshots is not None
        if not await offload(entry.snapshots.store().numbers, gate.name):
            return f"it has no snapshot in {entry.snapshots.url}"
        await policy.choose_workers([gate])
    except (CheckpointError, PlacementError, OSError) as error:
        return str(error)
    return ""


def _hanging(network: str, dask_scheduler: Scheduler) -> dict[str, str]:
    """On the scheduler: by key, what the last heartbeats say of gates that hang."""
    found: dict[str, str] = {}
    for worker in dask_scheduler.workers.values():
        for gate in (worker.metrics.get(TOPIC) or {}).get("gates", ()):
            if gate["network"] == network and gate.get("hangs"):
                found[gate["key"]] = gate["stuck"]
    return found
