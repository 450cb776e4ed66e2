"""What actors say to each other: small frozen values, and their form on the wire."""

from akkordeon_dask.messages._figures import PASS_TOPIC, TOPIC, Figures, GateFigures, LinkFigures, SentinelFigures
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
)
from akkordeon_dask.messages._report import PassProgress, PassReport
from akkordeon_dask.messages._wire import array_nbytes, decode, encode, flat, nbytes, packed

__all__ = [
    "PASS_TOPIC",
    "TOPIC",
    "Address",
    "Backward",
    "Failed",
    "Figures",
    "Forward",
    "GateFigures",
    "Header",
    "Leave",
    "LinkFigures",
    "Message",
    "Mode",
    "PassProgress",
    "PassReport",
    "Refused",
    "SentinelFigures",
    "array_nbytes",
    "decode",
    "encode",
    "flat",
    "nbytes",
    "packed",
]
