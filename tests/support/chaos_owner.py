"""The owner of the network to which things happen, and what happened."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.leftovers import wait_until
from tests.support.machines import Process


@dataclass
class Fault:
    """Something that went wrong."""

    kind: str
    gates: tuple[str, ...]
    """Those that it may stop."""
    at: float
    recovered: dict[str, float] = field(default_factory=dict)
    """Seconds to the next update, by gate."""


class Owner:
    """The owner's program."""

    def __init__(self, process: Process, folder: Path) -> None:
        self.process, self.folder = process, folder

    @property
    def said(self) -> list[dict[str, Any]]:
        """Each line."""
        return [json.loads(line) for line in self.process.lines]

    @property
    def passes(self) -> list[dict[str, Any]]:
        """The reports of finished passes of training."""
        return [said for said in self.said if said.get("mode") == "train"]

    @property
    def placement(self) -> dict[str, str]:
        """Where the gates are, by the workers' names."""
        placed: dict[str, str] = next(said["placement"] for said in reversed(self.said) if "placement" in said)
        return placed

    def end(self, guest: Process) -> None:
        """Let the guest leave, and this one end well."""
        guest.end()
        (self.folder / "enough").touch()
        self.process.succeed(within=120)

    def told(self, what: str) -> Any:
        """The value of a key that it printed exactly once."""
        (found,) = [said[what] for said in self.said if what in said]
        return found

    def await_passes(self, number: int) -> None:
        """Wait until there are so many."""
        wait_until(
            lambda: len(self.passes) >= number or not self.process.running,
            within=60 + 10 * number,
            seen=lambda: self.process.log,
        )
        assert self.process.running, self.process.log

    def recoveries(self, faults: list[Fault]) -> None:
        """Note with each fault how long it took to the next update of each gate."""
        lines = (self.folder / "figures").read_text(encoding="utf-8").splitlines()
        figures = [json.loads(line) for line in lines]
        for fault in faults:
            for gate in fault.gates:
                seen = [figure for figure in figures if figure["gate"] == gate]
                before = [figure for figure in seen if figure["at"] <= fault.at][-1:]
                known = {figure["key"]: figure["updates"] for figure in before}
                for figure in [figure for figure in seen if figure["asked"] > fault.at]:
                    if figure["updates"] > known.setdefault(figure["key"], 0 if before else figure["updates"]):
                        fault.recovered[gate] = figure["at"] - fault.at
                        break
