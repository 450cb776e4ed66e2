"""The actors on workers: gates, sentinels, their mailboxes, post offices and links."""

from akkordeon_dask.actors._dask_actor import is_large
from akkordeon_dask.actors.engine._mailbox import Mailbox, MailboxStatistics
from akkordeon_dask.actors.gate._actor import GateActor
from akkordeon_dask.actors.gate._behavior import GateBehavior
from akkordeon_dask.actors.gate._in_flight import SeenBatches
from akkordeon_dask.actors.gate._state import Version
from akkordeon_dask.actors.gate._statistics import GateStatistics
from akkordeon_dask.actors.sentinel._actor import SentinelActor
from akkordeon_dask.actors.sentinel._behavior import SentinelBehavior, SentinelState
from akkordeon_dask.actors.sentinel._open_pass import OpenPass
from akkordeon_dask.actors.sentinel._position import Position
from akkordeon_dask.actors.sentinel._statistics import SentinelStatistics, SentinelUpdate
from akkordeon_dask.actors.shutdown._retirement import (
    RESTART_TOPIC,
    allow_retirement,
    forget_network,
    living_runs,
    retire,
)
from akkordeon_dask.actors.transport._call_batches import CALLS_OP
from akkordeon_dask.actors.transport._post_office import PostOffice

__all__ = [
    "CALLS_OP",
    "RESTART_TOPIC",
    "GateActor",
    "GateBehavior",
    "GateStatistics",
    "Mailbox",
    "MailboxStatistics",
    "OpenPass",
    "Position",
    "PostOffice",
    "SeenBatches",
    "SentinelActor",
    "SentinelBehavior",
    "SentinelState",
    "SentinelStatistics",
    "SentinelUpdate",
    "Version",
    "allow_retirement",
    "forget_network",
    "is_large",
    "living_runs",
    "retire",
]
