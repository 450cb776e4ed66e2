"""What a client remembers of a network for those who look back."""

from typing import Any

from akkordeon_dask.messages import PassReport
from akkordeon_dask.network import Sentinel

__all__ = ["Diary"]


class Diary:
    """The finished passes of a client's sentinels, and how all of them were written.

    Changed on the client's event loop alone; things are only added.
    """

    def __init__(self) -> None:
        self.reports: list[PassReport] = []
        self.sentinels: dict[str, str] = {}
        """As they were written, by name: those that left, too. Their data are not held."""
        self.settings: dict[str, Any] = {}
        """What the network was deployed with; empty for who has not deployed it."""

    def add(self, report: PassReport) -> None:
        """A pass has finished just now."""
        self.reports.append(report)

    def meet(self, name: str, sentinel: Sentinel) -> None:
        """A sentinel joins."""
        if sentinel.mode != "predict":
            self.sentinels[name] = repr(sentinel)
