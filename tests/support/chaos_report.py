"""The table of what went wrong and how long the gates needed, in Markdown."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from tests.support.chaos_cluster import SETTINGS, Chaos
from tests.support.chaos_owner import Fault, Owner

_HEAD = """| kind | faults | gates that it may have stopped | median | worst | gates of lone faults | median | worst |
| --- | --- | --- | --- | --- | --- | --- | --- |"""


class Report:
    """Tells of each fault as it happens, and writes the table at the end."""

    def __init__(self, count: int, seed: int, say: Callable[[str], None]) -> None:
        self._count, self._seed, self._say = count, seed, say
        self._begun = time.monotonic()
        self.facts: list[str] = []
        """Lines below the table."""

    def progress(self, cluster: Chaos) -> None:
        """Tell the newest fault."""
        fault = cluster.faults[-1]
        gates = ", ".join(fault.gates) or "no gate"
        self._say(f"{self._seconds:6.0f} s  fault {len(cluster.faults)} of {self._count}: {fault} ({gates})")

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._begun

    @property
    def repeat(self) -> str:
        """The command that has the same faults in the same order; their moments differ."""
        return (
            f"""make chaos FAULTS={self._count} CHAOS_SEEDS={self._seed + 1} ARGS="-k 'whatever and [{self._seed}]'\""""
        )

    def write(self, file: Path, cluster: Chaos, owner: Owner | None, failure: BaseException | None) -> None:
        """Add the table to a file, and tell it."""
        if owner is not None:
            owner.recoveries(cluster.faults)
        settings = ", ".join(f"{name.lower().replace('__', '.')}={value}" for name, value in SETTINGS.items())
        lines = [
            f"## {len(cluster.faults)} of {self._count} faults in {self._seconds / 60:.0f} min, seed {self._seed}",
            *("", f"`{self.repeat}`, with {settings}", "", _HEAD, *_rows(cluster), "", *self.facts),
        ]
        if failure is not None:
            last = cluster.faults[-1] if cluster.faults else "the start"
            lines += ["", f"**It failed after {last}**: {type(failure).__name__}: {str(failure)[:2000]}"]
        text = "\n".join(lines)
        with file.open("a", encoding="utf-8") as table:
            table.write(text + "\n\n")
        self._say("\n" + text)


def _rows(cluster: Chaos) -> Iterator[str]:
    found, alone = defaultdict(list), _alone(cluster.faults)
    for fault in cluster.faults:
        for kind in (fault.kind, "all"):
            found[kind].append(fault)
    for kind, faults in sorted(found.items(), key=lambda one: (one[0] == "all", one[0])):
        stopped = sum(len(fault.gates) for fault in faults)
        every, single = _seconds(faults), _seconds(fault for fault in faults if id(fault) in alone)
        yield f"| {kind} | {len(faults)} | {stopped} | {_spread(every)} | {len(single)} | {_spread(single)} |"


def _alone(faults: Sequence[Fault]) -> set[int]:
    """Those that began in calm, and were recovered from before the next one."""
    following = [fault.at for fault in faults[1:]] + [float("inf")]
    return {
        id(fault)
        for fault, after in zip(faults, following, strict=True)
        if fault.calm and all(fault.at + seconds < after for seconds in fault.recovered.values())
    }


def _seconds(faults: Iterable[Fault]) -> list[float]:
    return [seconds for fault in faults for seconds in fault.recovered.values()]


def _spread(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.2f} s | {max(seconds):.2f} s" if seconds else "- | -"
