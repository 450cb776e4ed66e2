"""What runs on the workers: mailboxes, post offices, links, gates and sentinels."""

from akkordeon_dask.actors._gate import GateActor
from akkordeon_dask.actors._gate_core import GateCore, GateCounts, Version
from akkordeon_dask.actors._gate_told import GateStatistics
from akkordeon_dask.actors._keeper import Keeping
from akkordeon_dask.actors._link import Link, LinkStatistics
from akkordeon_dask.actors._mailbox import Mailbox, MailboxStatistics
from akkordeon_dask.actors._position import Position
from akkordeon_dask.actors._post_office import PostOffice
from akkordeon_dask.actors._sentinel import SentinelActor
from akkordeon_dask.actors._sentinel_core import SentinelCore, SentinelState
from akkordeon_dask.actors._sentinel_told import Progress, SentinelStatistics

__all__ = [
    "GateActor",
    "GateCore",
    "GateCounts",
    "GateStatistics",
    "Keeping",
    "Link",
    "LinkStatistics",
    "Mailbox",
    "MailboxStatistics",
    "Position",
    "PostOffice",
    "Progress",
    "SentinelActor",
    "SentinelCore",
    "SentinelState",
    "SentinelStatistics",
    "Version",
]
