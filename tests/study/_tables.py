"""Tables of the study, in Markdown."""

from collections import defaultdict
from typing import Any

import numpy as np

from tests.study._runs import Result


def by_delay(found: dict[Any, Result]) -> str:
    """Accuracy in % on the held-out samples, of the best rate, by delay; a table for each column.

    Without delay a policy is the plain optimizer, unless it has runs of its own.
    """
    best: dict[tuple[str, str, int], float] = defaultdict(float)
    for run, result in found.items():
        place = run.column, run.policy, run.delay
        best[place] = max(best[place], result["accuracy"])
    delays = sorted({delay for *_, delay in best})
    lines = []
    for column in dict.fromkeys(column for column, *_ in best):
        if 0 in delays:
            for policy in {policy for its, policy, _ in best if its == column}:
                best.setdefault((column, policy, 0), best[column, "plain", 0])
        lines += [f"| {column} | {' | '.join(map(str, delays))} |", f"|---|{'---|' * len(delays)}"]
        for policy in dict.fromkeys(policy for its, policy, _ in best if its == column):
            cells = [best.get((column, policy, delay), 0.0) for delay in delays]
            lines.append(f"| {policy} | {' | '.join(f'{100 * cell:.2f}' if cell else '' for cell in cells)} |")
        lines.append("")
    return "\n".join(lines)


def paired(found: dict[Any, Result]) -> str:
    """Mean accuracy in % over the seeds, and the paired difference to the plain optimizer without delay."""
    groups: dict[tuple[Any, ...], dict[int, Result]] = defaultdict(dict)
    for run, result in found.items():
        groups[run.task, run.column, run.lr, run.policy, run.delay][run.seed] = result
    lines = [
        "| data | optimizer | rate | policy | late by | mean delay | seeds | accuracy | difference to in time |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for place, its in groups.items():
        in_time = next((groups[other] for other in groups if _in_time(other, place)), {})
        delays = [delay for result in its.values() for delay in result.get("delays", [])]
        mean = f"{np.mean(delays):.1f}" if delays else ""
        gaps = [100 * (its[seed]["accuracy"] - in_time[seed]["accuracy"]) for seed in its if seed in in_time]
        accuracy = 100 * np.mean([result["accuracy"] for result in its.values()])
        cells = [*map(str, place), mean, str(len(its)), f"{accuracy:.2f}", _difference(gaps)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _in_time(other: tuple[Any, ...], place: tuple[Any, ...]) -> bool:
    """The other runs are those of the plain optimizer with gradients in time, for the same data and optimizer."""
    same = other[:2] == place[:2] and other[3] == "plain"
    return same and (other[4] == 0 or (other[4] == "concurrency 1" and other[2] == place[2]))


def _difference(gaps: list[float]) -> str:
    if len(gaps) < 2:
        return f"{gaps[0]:+.2f}" if gaps else ""
    return f"{np.mean(gaps):+.2f} ± {np.std(gaps, ddof=1) / np.sqrt(len(gaps)):.2f}"
