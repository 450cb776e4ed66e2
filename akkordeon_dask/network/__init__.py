"""Gates, networks and sentinels as they are written: frozen values, checked where they are written."""

from akkordeon_dask.network._beside import Beside, beside
from akkordeon_dask.network._gate import Gate
from akkordeon_dask.network._network import Network, check_circles, follow_chain
from akkordeon_dask.network._resources import Claim, Resources, describe_stock
from akkordeon_dask.network._sentinel import Sentinel

__all__ = [
    "Beside",
    "Claim",
    "Gate",
    "Network",
    "Resources",
    "Sentinel",
    "beside",
    "check_circles",
    "describe_stock",
    "follow_chain",
]
