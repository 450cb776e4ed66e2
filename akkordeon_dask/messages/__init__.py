"""The messages of actors: small frozen values, and their form on the wire."""

from akkordeon_dask.messages._codec import NUMBERS, decode, encode, flat, nbytes, packed
from akkordeon_dask.messages._held_sentinel import HeldSentinel
from akkordeon_dask.messages._messages import (
    Address,
    Backward,
    Failed,
    Forward,
    Header,
    Leave,
    Message,
    Mode,
    Refused,
    array_nbytes,
)
from akkordeon_dask.messages._metrics import PASS_TOPIC, TOPIC, GateMetrics, LinkMetrics, Metrics, SentinelMetrics
from akkordeon_dask.messages._pass_report import PassProgress, PassReport

__all__ = [
    "NUMBERS",
    "PASS_TOPIC",
    "TOPIC",
    "Address",
    "Backward",
    "Failed",
    "Forward",
    "GateMetrics",
    "Header",
    "HeldSentinel",
    "Leave",
    "LinkMetrics",
    "Message",
    "Metrics",
    "Mode",
    "PassProgress",
    "PassReport",
    "Refused",
    "SentinelMetrics",
    "array_nbytes",
    "decode",
    "encode",
    "flat",
    "nbytes",
    "packed",
]
