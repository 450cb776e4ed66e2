"""What a client remembers of a network for those who look back."""

import time
from typing import Any

from akkordeon_dask.dashboard import Pass
from akkordeon_dask.messages import PassReport
from akkordeon_dask.network import Sentinel

__all__ = ["Diary"]


class Diary:
    """The finished passes of a client's sentinels, when they ended, and how all of them were written.

    Changed on the client's event loop alone; things are only added.
    """

    def __init__(self) -> None:
        self.reports: list[PassReport] = []
        self.sentinels: dict[str, str] = {}
        """As they were written, by name: those that left, too. Their data are not held."""
        self.settings: dict[str, Any] = {}
        """What the network was deployed with; empty for who has not deployed it."""
        self._times: list[float] = []

    def add(self, report: PassReport) -> None:
        """A pass has finished just now."""
        self._times.append(time.time())
        self.reports.append(report)

    def meet(self, name: str, sentinel: Sentinel) -> None:
        """A sentinel joins."""
        if sentinel.mode != "predict":
            self.sentinels[name] = repr(sentinel)

    def passes(self) -> tuple[Pass, ...]:
        """The passes with the time of each."""
        pairs = zip(self._times, list(self.reports), strict=False)  # a report may be added meanwhile
        return tuple(Pass(time=when, **report.as_dict()) for when, report in pairs)
