"""What the answers to delay cost, or bring: samples a second and delays, beside the plain optimizer."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from akkordeon_dask import Gate, Network, data, nn, optim
from akkordeon_dask.tree import Array, Tree
from tests.bench._actors import Actors

_SAMPLES = 60_000
_MOMENTUM = optim.SGD(0.005, momentum=0.9)


class WholeLinear(nn.Linear):
    """Its gradient by the input leaves together with that by the parameters."""

    def backward(
        self, context: Any, dy: Array, *, need_dx: bool = True, own: bool = False
    ) -> tuple[Array | None, Tree]:
        return super().backward(context, dy, need_dx=need_dx, own=own)


def _network(optimizer: optim.Optimizer, linear: type[nn.Linear] = nn.Linear, **options: Any) -> Network:
    first = nn.Scale(33.3, 78.6) >> nn.Linear(784, 50) >> nn.ReLU()
    chains = first, linear(50, 20) >> nn.ReLU(), linear(20, 10)
    return Network([Gate(chain, optimizer, **options) for chain in chains])


PLAIN = "SGD"
POLICIES: dict[str, Callable[[], Network]] = {
    PLAIN: lambda: _network(optim.SGD(0.05)),
    "SGD, backward in one piece": lambda: _network(optim.SGD(0.05), WholeLinear),
    "SGD, accumulate=8": lambda: _network(optim.SGD(0.05), accumulate=8),
    "GapAware(SGD)": lambda: _network(optim.GapAware(optim.SGD(0.05))),
    "DCASGDa": lambda: _network(optim.DCASGDa(0.02)),
    "SGD with momentum": lambda: _network(_MOMENTUM),
    "WeightPrediction(SGD with momentum)": lambda: _network(optim.WeightPrediction(_MOMENTUM)),
}


@dataclass(frozen=True)
class Deployment:
    """A network, as `Actors` takes it."""

    network: Network
    batch_size: int
    workers: int
    concurrency: int = 8


@dataclass(frozen=True)
class Cost:
    """Of a policy, over all rounds."""

    policy: str
    over_plain: tuple[float, float, float]
    """Samples a second over those of the plain optimizer in the same round: quartiles."""
    delays: tuple[float, ...]
    """Mean updates by which the gradients of each gate were late."""


def policy_costs(batch_size: int, workers: int, rounds: int, seconds: float) -> Iterator[Cost]:
    """Train with each policy in turn, every second round backwards."""
    plan = Deployment(_network(optim.SGD(0.05)), batch_size, workers)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in POLICIES}
    with ExitStack() as stack:
        sides = {}
        for name, make in POLICIES.items():
            actors = Actors(replace(plan, network=make()), data.mnist("train"), _SAMPLES)
            sides[name] = stack.enter_context(closing(actors))
        for number in range(rounds):
            for name in list(sides)[:: -1 if number % 2 else 1]:
                runs[name].append(sides[name].run(seconds))
    for name, its in runs.items():
        pairs = zip(its, runs[PLAIN], strict=True)
        ratios = [one["samples_per_s"] / plain["samples_per_s"] for one, plain in pairs]
        low, middle, high = map(float, np.quantile(ratios, (0.25, 0.5, 0.75)))
        gates = (sum(counts, Counter()) for counts in zip(*(one["delays"] for one in its), strict=True))
        yield Cost(name, (low, middle, high), tuple(map(_mean, gates)))


def _mean(counts: Counter[int]) -> float:
    return sum(delay * n for delay, n in counts.items()) / max(1, counts.total())
