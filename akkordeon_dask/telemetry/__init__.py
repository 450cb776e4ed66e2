"""The scheduler's telemetry: networks on its cluster, from heartbeats and events. It imports no bokeh."""

from akkordeon_dask.telemetry._live import LiveGate, LiveSentinel, LiveStatus, largest_delay, mean_delay
from akkordeon_dask.telemetry._network import HOUR, GateSpec, Incident, NetworkTelemetry
from akkordeon_dask.telemetry._pass_log import PassLog
from akkordeon_dask.telemetry._pass_rows import (
    PASS_COLUMNS,
    PASS_NUMBERS,
    duration_text,
    pass_cells,
    progress_words,
    scores_text,
    share_text,
)
from akkordeon_dask.telemetry._plugin import TelemetryPlugin, install, last_versions, live, network_telemetry
from akkordeon_dask.telemetry._rates import GateRates, SentinelRates
from akkordeon_dask.telemetry._status import NetworkStatus, PublishedNetwork, network_status
from akkordeon_dask.telemetry._store import Heartbeat, TelemetryStore
from akkordeon_dask.telemetry._timeseries import TimeSeries

__all__ = [
    "HOUR",
    "PASS_COLUMNS",
    "PASS_NUMBERS",
    "GateRates",
    "GateSpec",
    "Heartbeat",
    "Incident",
    "LiveGate",
    "LiveSentinel",
    "LiveStatus",
    "NetworkStatus",
    "NetworkTelemetry",
    "PassLog",
    "PublishedNetwork",
    "SentinelRates",
    "TelemetryPlugin",
    "TelemetryStore",
    "TimeSeries",
    "duration_text",
    "install",
    "largest_delay",
    "last_versions",
    "live",
    "mean_delay",
    "network_status",
    "network_telemetry",
    "pass_cells",
    "progress_words",
    "scores_text",
    "share_text",
]
