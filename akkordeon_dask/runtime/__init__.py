"""Everything that talks to a cluster: deploy, connect, place, wire, attach, look, stop."""

from akkordeon_dask.runtime._attached import Attached
from akkordeon_dask.runtime._deploy import connect, deploy
from akkordeon_dask.runtime._embedded import WORKER_ENVIRONMENT, Embedded
from akkordeon_dask.runtime._glance import glance
from akkordeon_dask.runtime._guest import Guest
from akkordeon_dask.runtime._history import History
from akkordeon_dask.runtime._owning import adopt
from akkordeon_dask.runtime._running import Running
from akkordeon_dask.runtime._status import GateStatus, NetworkStatus, SentinelStatus, networks, status
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
    "connect",
    "deploy",
    "glance",
    "networks",
    "status",
    "stay",
    "stop",
]
