"""The client's side of a network: deploy it, connect to it, steer it, watch it, stop it."""

from akkordeon_dask.runtime._checkpoint import write as write_parameters
from akkordeon_dask.runtime._deploy import connect, deploy, plan
from akkordeon_dask.runtime._follow import follow
from akkordeon_dask.runtime._history import History
from akkordeon_dask.runtime._live import live
from akkordeon_dask.runtime._ownership import adopt
from akkordeon_dask.runtime._pause import pause, resume
from akkordeon_dask.runtime._report import report
from akkordeon_dask.runtime._retire import retire
from akkordeon_dask.runtime._running import AsyncRunning, Running
from akkordeon_dask.runtime._status import networks, status, worker_names
from akkordeon_dask.runtime._stop import stop
from akkordeon_dask.runtime.clients._owner_requests import ask as ask_owner
from akkordeon_dask.runtime.cluster._embedded import WORKER_ENVIRONMENT, EmbeddedCluster
from akkordeon_dask.runtime.cluster._guest_worker import GuestWorker
from akkordeon_dask.runtime.cluster._linger import LingeringClient
from akkordeon_dask.runtime.handles._attached_handle import Attached

__all__ = [
    "WORKER_ENVIRONMENT",
    "AsyncRunning",
    "Attached",
    "EmbeddedCluster",
    "GuestWorker",
    "History",
    "LingeringClient",
    "Running",
    "adopt",
    "ask_owner",
    "connect",
    "deploy",
    "follow",
    "live",
    "networks",
    "pause",
    "plan",
    "report",
    "resume",
    "retire",
    "status",
    "stop",
    "worker_names",
    "write_parameters",
]
