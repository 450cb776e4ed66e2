"""The owner of the network to which things happen, and what happened."""

import json
import re
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.leftovers import wait_until
from tests.support.machines import Process

_TOLD = re.compile(
    r"gate '(?P<gate>[^']+)' on \S+ goes on with update (?P<number>[\d,]+), "
    r"(?P<how>about|at least) (?P<lost>[\d,]+) updates"
)


@dataclass
class Fault:
    """Something that went wrong."""

    kind: str
    victim: str
    """A worker's or a gate's name."""
    gates: tuple[str, ...]
    """Those that it may stop."""
    at: float
    calm: bool = False
    """Every gate had been updated since the faults before it, nothing suffered, and the scheduler knew all workers."""
    recovered: dict[str, float] = field(default_factory=dict)
    """Seconds to the next update, by gate."""

    def __str__(self) -> str:
        return f"{self.kind} {self.victim}"


class Figure(NamedTuple):
    """What a gate answered."""

    asked: float
    at: float
    key: str
    """Of its incarnation."""
    updates: int
    """By this incarnation."""
    version: int


class Rollback(NamedTuple):
    """A gate was restarted from a snapshot."""

    gate: str
    number: int
    """Updates in the snapshot."""
    lost: int
    """Updates since then."""
    all: bool = False
    """All gates were lost at once."""


class Owner:
    """The owner's program."""

    def __init__(self, process: Process, folder: Path) -> None:
        self.process, self.folder = process, folder
        self._said: list[dict[str, Any]] = []
        self._figures: dict[str, list[Figure]] = defaultdict(list)
        """By gate, the oldest first."""
        self._read = 0
        """Bytes of the file of figures."""

    @property
    def said(self) -> list[dict[str, Any]]:
        """Each line."""
        self._said += map(json.loads, self.process.lines[len(self._said) :])
        return self._said

    @property
    def passes(self) -> list[dict[str, Any]]:
        """The reports of finished passes of training."""
        return [said for said in self.said if said.get("mode") == "train"]

    @property
    def placement(self) -> dict[str, str]:
        """Where the gates are, by the workers' names."""
        placed: dict[str, str] = next(said["placement"] for said in reversed(self.said) if "placement" in said)
        return placed

    @property
    def workers(self) -> list[str]:
        """The names of the workers that the scheduler knows."""
        there: list[str] = next(said["workers"] for said in reversed(self.said) if "workers" in said)
        return there

    @property
    def rollbacks(self) -> list[Rollback]:
        """All that its log tells."""
        found = _TOLD.finditer(self.process.whole_log)
        return [
            Rollback(one["gate"], _number(one["number"]), _number(one["lost"]), one["how"] == "at least")
            for one in found
        ]

    @property
    def seen_rollbacks(self) -> list[Rollback]:
        """Those that the gates' answers show: what is lost is at least the difference to the last answer before."""
        found = []
        for gate, seen in self.figures().items():
            for before, after in pairwise(seen):
                number = after.version - after.updates
                if after.key != before.key and number < before.version:
                    found.append(Rollback(gate, number, before.version - number))
        return found

    def end(self, guest: Process) -> None:
        """Let the guest leave, and this one end well."""
        guest.end()
        (self.folder / "enough").touch()
        self.process.succeed(within=600)

    def told(self, what: str) -> Any:
        """The value of a key that it printed exactly once."""
        (found,) = [said[what] for said in self.said if what in said]
        return found

    def await_passes(self, number: int) -> None:
        """Wait until there are so many."""
        wait_until(
            lambda: len(self.passes) >= number or not self.process.running,
            within=300 + 10 * max(0, number - len(self.passes)),
            seen=lambda: self.process.log,
        )
        assert self.process.running, self.process.log

    def figures(self) -> dict[str, list[Figure]]:
        """All that the gates have answered so far, by gate."""
        if not (self.folder / "figures").exists():
            return self._figures
        with (self.folder / "figures").open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        self._read += len(whole) + bool(whole)
        for line in whole.splitlines():
            told = json.loads(line)
            self._figures[told["gate"]].append(Figure(*(told[name] for name in Figure._fields)))
        return self._figures

    def recoveries(self, faults: list[Fault]) -> None:
        """Note with each fault how long it took to the next update of each gate."""
        figures = self.figures()
        for fault in faults:
            for gate in set(fault.gates).difference(fault.recovered):
                at = _next_update(figures[gate], fault.at)
                if at is not None:
                    fault.recovered[gate] = at - fault.at


def _next_update(seen: list[Figure], begun: float) -> float | None:
    """When an answer to a later question shows an update that is not in the last one before."""
    first = bisect_right(seen, begun, key=lambda figure: figure.at)
    known = {seen[first - 1].key: seen[first - 1].updates} if first else {}
    for figure in seen[first:]:
        if figure.asked <= begun:
            continue
        if figure.updates > known.setdefault(figure.key, 0 if first else figure.updates):
            return figure.at
    return None


def _number(text: str) -> int:
    return int(text.replace(",", ""))
