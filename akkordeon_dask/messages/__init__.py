"""What actors say to each other: small frozen values, and their form on the wire."""

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
from akkordeon_dask.messages._report import PassReport
from akkordeon_dask.messages._wire import decode, encode, nbytes

__all__ = [
    "Address",
    "Backward",
    "Failed",
    "Forward",
    "Header",
    "Leave",
    "Message",
    "Mode",
    "PassReport",
    "Refused",
    "decode",
    "encode",
    "nbytes",
]
