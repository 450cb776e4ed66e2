"""What a client remembers of a network for those who look back."""

import threading
import time
from typing import Any, NamedTuple

from akkordeon_dask.messages import PassReport
from akkordeon_dask.network import Sentinel

__all__ = ["Diary"]


class _Entry(NamedTuple):
    report: PassReport
    mine: bool
    """Of a sentinel that this client attached."""


class Diary:
    """The finished passes of a network's sentinels, and how this client's were written.

    Changed on the client's event loop alone, where things are only added; who shows passes asks in a thread of its own
    for those that were not shown.
    """

    def __init__(self) -> None:
        self.sentinels: dict[str, str] = {}
        """As they were written, by name: those that left, too. Their data are not held."""
        self.settings: dict[str, Any] = {}
        """What the network was deployed with; empty for who has not deployed it."""
        self.others: set[tuple[str, int]] = set()
        """The passes of other clients' sentinels that are here: what their actors' keys begin with, and the number."""
        self._entries: list[_Entry] = []
        self._begun = time.time()
        self._untold: list[_Entry] = []
        self._telling = threading.Lock()
        """Held where `_untold` is read or changed."""

    def add(self, report: PassReport) -> None:
        """A pass of this client's sentinels has finished just now."""
        self._add(_Entry(report, mine=True))

    def add_other(self, base: str, report: PassReport) -> bool:
        """A pass of another client's has finished; False: it was known, or is that of a life before a restart."""
        if (base, report.epoch) in self.others:
            return False
        self.others.add((base, report.epoch))
        self._add(_Entry(report, mine=False))
        return True

    def _add(self, entry: _Entry) -> None:
        self._entries.append(entry)
        with self._telling:
            self._untold.append(entry)

    def meet(self, name: str, sentinel: Sentinel) -> None:
        """A sentinel joins."""
        if sentinel.mode != "predict":
            self.sentinels[name] = repr(sentinel)

    def reports(self, *, mine: bool = False) -> list[PassReport]:
        """All passes as they became known here, or those of this client's sentinels."""
        return [entry.report for entry in list(self._entries) if entry.mine or not mine]

    def untold(self, *, mine: bool = False) -> list[PassReport]:
        """Those that no watcher was given before, without what others did before this client came. In any thread."""
        with self._telling:
            new = [one for one in self._untold if one.mine or not mine]
            self._untold = [one for one in self._untold if mine and not one.mine]
        return [one.report for one in new if one.mine or one.report.ended >= self._begun]
