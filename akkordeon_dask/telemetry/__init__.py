"""What the scheduler knows of the networks on its cluster, from heartbeats and events. It knows no bokeh."""

from akkordeon_dask.telemetry._live import LiveGate, LiveSentinel, LiveStatus
from akkordeon_dask.telemetry._network import GateSpec, Incident, NetworkTelemetry
from akkordeon_dask.telemetry._pass_rows import (
    PASS_COLUMNS,
    PASS_NUMBERS,
    duration_text,
    pass_cells,
    progress_words,
    scores_text,
    share_text,
)
from akkordeon_dask.telemetry._plugin import TelemetryPlugin, install, live, network_telemetry
from akkordeon_dask.telemetry._store import Heartbeat, TelemetryStore
from akkordeon_dask.telemetry._timeseries import TimeSeries

__all__ = [
    "PASS_COLUMNS",
    "PASS_NUMBERS",
    "GateSpec",
    "Heartbeat",
    "Incident",
    "LiveGate",
    "LiveSentinel",
    "LiveStatus",
    "NetworkTelemetry",
    "TelemetryPlugin",
    "TelemetryStore",
    "TimeSeries",
    "duration_text",
    "install",
    "live",
    "network_telemetry",
    "pass_cells",
    "progress_words",
    "scores_text",
    "share_text",
]
