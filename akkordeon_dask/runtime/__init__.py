"""Everything that talks to a cluster: deploy, connect, place, wire, attach, look, stop."""

from akkordeon_dask.runtime._attached import Attached
from akkordeon_dask.runtime._deploy import connect, deploy
from akkordeon_dask.runtime._embedded import WORKER_ENVIRONMENT, Embedded
from akkordeon_dask.runtime._glance import glance
from akkordeon_dask.runtime._guest import Guest
from akkordeon_dask.runtime._history import History
from akkordeon_dask.runtime._owner_requests import ask as ask_owner
from akkordeon_dask.runtime._owning import adopt
from akkordeon_dask.runtime._pausing import pause, resume
from akkordeon_dask.runtime._report_by_name import report
from akkordeon_dask.runtime._running import Running
from akkordeon_dask.runtime._status import (
    GateStatus,
    NetworkStatus,
    SentinelStatus,
    networks,
    status,
    worker_names,
)
from akkordeon_dask.runtime._stay import stay
from akkordeon_dask.runtime._stop import stop

__all__ = [
    "WORKER_ENVIRONMENT",
    "Attached",
    "Embedded",
    "GateStatus",
    "Guest",
    "History",
    "NetworkStatus",
    "Running",
    "SentinelStatus",
    "adopt",
    "ask_owner",
    "connect",
    "deploy",
    "glance",
    "networks",
    "pause",
    "report",
    "resume",
    "status",
    "stay",
    "stop",
    "worker_names",
]
