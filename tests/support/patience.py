"""How long a test waits for what is sure to come, and settings that a test makes short."""

import os

_SLOW = bool(os.environ.get("CI"))
"""This may be a machine with little CPU, which stands still for seconds."""

PATIENCE = 300 if _SLOW else 100
"""Seconds after which a test or a program is said to hang."""


def scaled_seconds(seconds: float) -> float:
    """A time that is short so that a test is quick: five times as long where there may be little CPU."""
    return seconds * 5 if _SLOW else seconds


def scaled(seconds: float) -> str:
    """Such a time as settings have it."""
    return f"{scaled_seconds(seconds):g}s"


SETTINGS = {
    "timeouts.deploy": scaled(30),
    "timeouts.first-batch": scaled(3),
    "timeouts.control": scaled(20),
    "snapshots.cut-deadline": scaled(5),
}
"""Times of which no test says more than that they suffice: the package's defaults, scaled."""
