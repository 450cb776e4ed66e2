"""Everything that talks to a cluster: deploy, connect, place, wire, attach."""

from akkordeon_dask.runtime._attached import Attached
from akkordeon_dask.runtime._deploy import connect, deploy
from akkordeon_dask.runtime._embedded import WORKER_ENVIRONMENT, Embedded
from akkordeon_dask.runtime._running import Running

__all__ = ["WORKER_ENVIRONMENT", "Attached", "Embedded", "Running", "connect", "deploy"]
