"""What runs on the scheduler: it gathers what the actors report, and shows it on the dashboard."""

from akkordeon_dask.dashboard._board import Beat, Board
from akkordeon_dask.dashboard._history import History
from akkordeon_dask.dashboard._plugin import Monitor, announce, install, preload, record
from akkordeon_dask.dashboard._record import GateSpec, NetworkRecord, Pass, Trouble

__all__ = [
    "Beat",
    "Board",
    "GateSpec",
    "History",
    "Monitor",
    "NetworkRecord",
    "Pass",
    "Trouble",
    "announce",
    "install",
    "preload",
    "record",
]
