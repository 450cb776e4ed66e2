"""The cost of a message between two workers, of this code and the code before."""

from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from tests.bench._race import BEFORE, OURS, alternate, quantiles
from tests.bench._serve import MESSAGES
from tests.bench._side import HERE, Side

Costs = dict[str, dict[str, list[list[float]]]]


def messages(rounds: int, before: Path | None) -> Costs:
    """Microseconds by side and size in bytes: quantiles over the rounds of one alone, and of eight in flight."""
    checkouts = {OURS: HERE} if before is None else {OURS: HERE, BEFORE: before}
    with ExitStack() as stack:
        sides = {
            name: stack.enter_context(closing(Side("messages", MESSAGES, checkout)))
            for name, checkout in checkouts.items()
        }
        runs = alternate(sides, rounds, 0.0)
    return {
        side: {
            size: [[round(one, 1) for one in quantiles(way)] for way in np.transpose([one[size] for one in all_rounds])]
            for size in all_rounds[0]
        }
        for side, all_rounds in runs.items()
    }
