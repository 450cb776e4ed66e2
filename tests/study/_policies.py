"""The columns of the study, and the policies in each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from akkordeon_dask.optim import (
    DCASGD,
    SGD,
    Adam,
    Cosine,
    DCASGDa,
    DelayAdaptiveRate,
    DelayWarmUp,
    GapAware,
    Muon,
    NAdam,
    Optimizer,
    SpikeCompensation,
    WarmUp,
    WeightPrediction,
    stage_momentum,
)

GATES = 2


@dataclass(frozen=True)
class Plan:
    """What an optimizer is made for."""

    lr: float
    """At its top."""
    updates: int
    """Of each gate."""
    position: int = 0
    """Of the gate."""

    def schedule(self, factor: float = 1.0) -> WarmUp:
        """A warm-up of 5 % and half a cosine."""
        rise = max(1, self.updates // 20)
        return WarmUp(rise, Cosine(factor * self.lr, self.updates - rise))


@dataclass(frozen=True)
class Policy:
    """A way to train with late gradients."""

    make: Callable[[Plan], Optimizer]
    backward: Literal["stashed", "latest"] = "stashed"
    base: bool = False
    """It differs from the plain optimizer without delay too."""


def _momentum(plan: Plan) -> SGD:
    return SGD(plan.schedule(), momentum=0.9)


def _nesterov_by_gate(plan: Plan) -> SGD:
    kept = stage_momentum(plan.position, GATES)
    return SGD(plan.schedule((1 - kept) / 0.1), momentum=kept, nesterov=True)


def _around(make: Callable[[Plan], Optimizer]) -> dict[str, Policy]:
    """Those that go around any optimizer."""
    return {
        "plain": Policy(make),
        "latest": Policy(make, "latest"),
        "GapAware": Policy(lambda plan: GapAware(make(plan))),
        "DelayAdaptiveRate": Policy(lambda plan: DelayAdaptiveRate(make(plan))),
        "DelayWarmUp": Policy(lambda plan: DelayWarmUp(make(plan), max(1, plan.updates // 4))),
        "last-update": Policy(lambda plan: WeightPrediction(make(plan), rule="last-update")),
    }


def _predicted(make: Callable[[Plan], Optimizer]) -> dict[str, Policy]:
    """Those that need a momentum."""
    return {
        "linear": Policy(lambda plan: WeightPrediction(make(plan), rule="linear")),
        "geometric": Policy(lambda plan: WeightPrediction(make(plan), rule="geometric")),
    }


def _sgd(plan: Plan) -> SGD:
    return SGD(plan.schedule())


def _adam(plan: Plan) -> Adam:
    return Adam(plan.schedule())


COLUMNS: dict[str, dict[str, Policy]] = {
    "SGD": {
        **_around(_sgd),
        "DCASGD": Policy(lambda plan: DCASGD(plan.schedule())),
        "DCASGDa": Policy(lambda plan: DCASGDa(plan.schedule())),
    },
    "momentum": {
        **_around(_momentum),
        **_predicted(_momentum),
        "geometric, GapAware": Policy(lambda plan: GapAware(WeightPrediction(_momentum(plan)))),
        "SpikeCompensation": Policy(lambda plan: SpikeCompensation(_momentum(plan))),
        "Nesterov": Policy(lambda plan: SGD(plan.schedule(), momentum=0.9, nesterov=True), base=True),
        "Nesterov by gate": Policy(_nesterov_by_gate, base=True),
    },
    "Adam": {
        **_around(_adam),
        **_predicted(_adam),
        "NAdam": Policy(lambda plan: NAdam(plan.schedule()), base=True),
        "NAdam 0.99": Policy(lambda plan: NAdam(plan.schedule(), beta1=0.99), base=True),
    },
    "Muon": {
        "plain": Policy(lambda plan: Muon(plan.schedule())),
        "latest": Policy(lambda plan: Muon(plan.schedule()), "latest"),
    },
}

RATES = {"SGD": 0.15, "momentum": 0.015, "Adam": 0.002, "Muon": 0.01}
"""The middle of the rates of each column; the others are 3 times as high and low, or powers of that."""
