"""Gates, networks and sentinels as they are written: frozen values, checked where they are written."""

from akkordeon_dask.network._beside import Beside, beside
from akkordeon_dask.network._class_weight import check_labels_weighed, weigh_classes
from akkordeon_dask.network._gate import Gate
from akkordeon_dask.network._network import Network
from akkordeon_dask.network._resources import Claim, Resources, describe_stock
from akkordeon_dask.network._sentinel import Sentinel
from akkordeon_dask.network._weighable import check_weighable

__all__ = [
    "Beside",
    "Claim",
    "Gate",
    "Network",
    "Resources",
    "Sentinel",
    "beside",
    "check_labels_weighed",
    "check_weighable",
    "describe_stock",
    "weigh_classes",
]
