"""The messages of actors: small frozen values, and their form on the wire."""

from akkordeon_dask.messages._actor_keys import (
    KEY_PREFIX,
    gate_key,
    network_of,
    sentinel_base,
    sentinel_key,
    sentinel_key_base,
)
from akkordeon_dask.messages._codec import NUMBERS, decode, encode, flat, nbytes, packed
from akkordeon_dask.messages._confusion import Confusion, WrongPrediction
from akkordeon_dask.messages._held_sentinel import HeldSentinel
from akkordeon_dask.messages._messages import (
    Address,
    Backward,
    Failed,
    Flush,
    Forward,
    Header,
    Leave,
    Message,
    Mode,
    Refused,
    StepEnd,
    Waiting,
    array_nbytes,
)
from akkordeon_dask.messages._metrics import PASS_TOPIC, TOPIC, GateMetrics, LinkMetrics, Metrics, SentinelMetrics
from akkordeon_dask.messages._narrowing import Narrowing, WireFormat, narrowed, widened
from akkordeon_dask.messages._pass_report import PassProgress, PassReport
from akkordeon_dask.messages._rollback import Rollback

__all__ = [
    "KEY_PREFIX",
    "NUMBERS",
    "PASS_TOPIC",
    "TOPIC",
    "Address",
    "Backward",
    "Confusion",
    "Failed",
    "Flush",
    "Forward",
    "GateMetrics",
    "Header",
    "HeldSentinel",
    "Leave",
    "LinkMetrics",
    "Message",
    "Metrics",
    "Mode",
    "Narrowing",
    "PassProgress",
    "PassReport",
    "Refused",
    "Rollback",
    "SentinelMetrics",
    "StepEnd",
    "Waiting",
    "WireFormat",
    "WrongPrediction",
    "array_nbytes",
    "decode",
    "encode",
    "flat",
    "gate_key",
    "narrowed",
    "nbytes",
    "network_of",
    "packed",
    "sentinel_base",
    "sentinel_key",
    "sentinel_key_base",
    "widened",
]
