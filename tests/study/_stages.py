"""Which runs a stage has."""

from collections.abc import Iterator
from itertools import product

from tests.study._actors import ActorsRun
from tests.study._policies import COLUMNS, RATES
from tests.study._runs import NETS, Result, Run

DELAYS = (8, 4, 2, 0, 16, 1)
"""In the order in which they are run."""
QUARTER = 15_000
ALWAYS = ("plain", "latest")


def rates(column: str, powers: tuple[int, ...]) -> list[float]:
    """The rates of a column: three times its middle one to these powers."""
    return [float(f"{RATES[column] * 3.0**power:.3g}") for power in powers]


def stage_a(seeds: int = 1, epochs: int = 3) -> Iterator[Run]:
    """All policies on a quarter of MNIST: three rates, six delays. Without delay most are the plain optimizer."""
    for delay in DELAYS:
        for column, policies in COLUMNS.items():
            for policy, spec in policies.items():
                if not delay and not (policy == "plain" or spec.base):
                    continue
                for lr in rates(column, (-1, 0, 1)):
                    for seed in range(seeds):
                        yield Run("a", "mnist", column, policy, lr, delay, seed, QUARTER, epochs)


def best_three(found: dict[Run, Result], column: str) -> list[str]:
    """The policies of a column that did best in stage a, beside the plain optimizer and the original's way.

    Each counts with its best rate at each of the delays 4, 8 and 16; where they are alike with its middle rates.
    """
    policies = [policy for policy in COLUMNS[column] if policy not in ALWAYS]
    return sorted(policies, key=lambda policy: -_rank(found, column, policy))[:3]


def _rank(found: dict[Run, Result], column: str, policy: str) -> float:
    total = 0.0
    for delay in (4, 8, 16):
        its = [
            r["accuracy"] for run, r in found.items() if (run.column, run.policy, run.delay) == (column, policy, delay)
        ]
        total += max(its, default=0.0) + 0.01 * sum(its) / max(len(its), 1)
    return total


def stage_b_first(chosen: dict[str, list[str]], delays: tuple[int, ...] = (4, 8)) -> list[Run]:
    """Five rates for each of the chosen policies, on a quarter of the data with one seed."""
    return [
        Run("b", images, column, policy, lr, delay, 0, QUARTER, 3)
        for delay in (0, *delays)
        for images in ("mnist", "fashion-mnist")
        for column, policies in chosen.items()
        for policy in (*ALWAYS, *policies)
        if delay or policy == "plain" or COLUMNS[column][policy].base
        for lr in rates(column, (-1, 0, 1, 2))
    ]


def stage_b_second(found: dict[Run, Result], keep: int = 1) -> list[Run]:
    """The best rate of each, on the 50,000 samples that are not held out, with three seeds."""
    groups: dict[tuple[str, str, str, int], list[Run]] = {}
    for run in found:
        groups.setdefault((run.images, run.column, run.policy, run.delay), []).append(run)
    return [
        Run("b2", run.images, run.column, run.policy, run.lr, run.delay, seed, 50_000, 3)
        for seed in range(3)
        for runs in groups.values()
        for run in sorted(runs, key=lambda run: -found[run]["accuracy"])[:keep]
    ]


FINALISTS = {"SGD": ("GapAware",), "momentum": ("GapAware", "geometric, GapAware")}


def stage_c(seeds: int, epochs: int) -> Iterator[ActorsRun]:
    """Finalists, the plain optimizer and the original's way on real actors, at the highest rates of stage a.

    With one batch in flight all policies are the plain optimizer in a sequential loop.
    """
    for concurrency, sentinels in ((8, 1), (4, 1), (4, 3)):
        for net, images in product(NETS, ("fashion-mnist", "mnist")):
            for column in FINALISTS:
                for busy in (False, True) if concurrency == 8 else (False,):
                    for seed in range(seeds):
                        yield from _on_actors(net, images, column, seed, epochs, concurrency, sentinels, busy)


def _on_actors(
    net: str, images: str, column: str, seed: int, epochs: int, concurrency: int, sentinels: int, busy: bool
) -> Iterator[ActorsRun]:
    rate = rates(column, (1,))[0]
    if not busy:
        yield ActorsRun("c", images, column, "plain", rate, 1, 1, False, seed, epochs, net)
    for policy in (*ALWAYS, *FINALISTS[column]):
        yield ActorsRun("c", images, column, policy, rate, concurrency, sentinels, busy, seed, epochs, net)
