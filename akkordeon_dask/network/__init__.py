"""Gates, networks and sentinels as they are written: frozen values, checked where they are written."""

from akkordeon_dask.network._beside import Beside, beside
from akkordeon_dask.network._gate import Gate
from akkordeon_dask.network._network import Network
from akkordeon_dask.network._parties import parties
from akkordeon_dask.network._placement import choose, make_plan
from akkordeon_dask.network._plan import Placed, Plan
from akkordeon_dask.network._resources import Claim, Resources, stock
from akkordeon_dask.network._sentinel import Sentinel
from akkordeon_dask.network._workers import GUEST, POST_OFFICE, WorkerInfo, find_workers, workers_of

__all__ = [
    "GUEST",
    "POST_OFFICE",
    "Beside",
    "Claim",
    "Gate",
    "Network",
    "Placed",
    "Plan",
    "Resources",
    "Sentinel",
    "WorkerInfo",
    "beside",
    "choose",
    "find_workers",
    "make_plan",
    "parties",
    "stock",
    "workers_of",
]
