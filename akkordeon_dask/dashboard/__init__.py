"""What runs on the scheduler: it gathers what the actors report, and shows it on the dashboard."""

from akkordeon_dask.dashboard._board import Beat, Board
from akkordeon_dask.dashboard._cells import (
    PASS_COLUMNS,
    PASS_NUMBERS,
    duration_text,
    pass_cells,
    scores_text,
    share_text,
)
from akkordeon_dask.dashboard._glance import GateGlance, Glance, SentinelGlance
from akkordeon_dask.dashboard._history import History
from akkordeon_dask.dashboard._known import Known
from akkordeon_dask.dashboard._plugin import Monitor, announce, glance, install, preload, record
from akkordeon_dask.dashboard._record import GateSpec, NetworkRecord, Trouble

__all__ = [
    "PASS_COLUMNS",
    "PASS_NUMBERS",
    "Beat",
    "Board",
    "GateGlance",
    "GateSpec",
    "Glance",
    "History",
    "Known",
    "Monitor",
    "NetworkRecord",
    "SentinelGlance",
    "Trouble",
    "announce",
    "duration_text",
    "glance",
    "install",
    "pass_cells",
    "preload",
    "record",
    "scores_text",
    "share_text",
]
