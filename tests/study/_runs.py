"""Runs of the study: each is a value, and has its result in a file of its own."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from akkordeon_dask import Gate, Network, data, nn, simulate
from akkordeon_dask._files import write_atomic
from tests.study._policies import COLUMNS, Plan

BATCH_SIZE = 64
HELD_OUT = 10_000
"""The last samples of the training set, by which rates are chosen."""
SETS: dict[str, tuple[Callable[..., data.Provider], float, float]] = {
    "mnist": (data.mnist, 33.3, 78.6),
    "fashion-mnist": (data.fashion_mnist, 72.9, 90.0),
}
"""Data, and mean and standard deviation of the pixels."""

Result = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A training in the simulator, rated on samples that are held out."""

    stage: str
    images: str
    column: str
    policy: str
    lr: float
    delay: int
    seed: int
    samples: int
    epochs: int

    @property
    def task(self) -> str:
        """The data."""
        return self.images

    @property
    def name(self) -> str:
        """Of its file."""
        parts = [f"{value:g}" if isinstance(value, float) else str(value) for value in asdict(self).values()]
        return "_".join(parts).replace(" ", "-").replace(",", "")

    def train(self) -> Result:
        """Loss and accuracy on the held-out samples after the last epoch."""
        x, y = samples(self.images)
        end = len(x) - HELD_OUT
        count = min(self.samples, end)
        network = network_for(self, "dense", self.epochs * -(-count // BATCH_SIZE))
        found = simulate(
            network, data.arrays(x[:count], y[:count], seed=self.seed),
            delays=self.delay, batch_size=BATCH_SIZE, epochs=self.epochs, seed=self.seed,
            validation=data.arrays(x[end:], y[end:], shuffle=False),
        )  # fmt: skip
        if found.diverged or not np.isfinite(loss := found.epochs[-1].validation_loss or 0.0):
            return {"accuracy": 0.1, "loss": None, "curve": []}
        curve = [epoch.validation_scores["accuracy"] for epoch in found.epochs]
        return {"accuracy": curve[-1], "loss": loss, "curve": curve}


@lru_cache(maxsize=2)
def samples(images: str) -> tuple[np.ndarray, np.ndarray]:
    """All of the training set: (60000, 784) uint8 and labels."""
    x, y = next(iter(SETS[images][0]("train", shuffle=False).open().batches(1, 60_000)))[:2]
    assert y is not None
    return x, y


NETS: dict[str, tuple[nn.Layer, ...]] = {
    "dense": (nn.Linear(784, 128) >> nn.ReLU(), nn.Linear(128, 10)),
    "LeNet": (
        nn.Reshape((1, 28, 28)) >> nn.Conv2d(1, 6, 5, padding=2) >> nn.ReLU() >> nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5) >> nn.ReLU() >> nn.MaxPool2d(2) >> nn.Flatten(),
        nn.Linear(400, 120) >> nn.ReLU() >> nn.Linear(120, 84) >> nn.ReLU() >> nn.Linear(84, 10),
    ),
}
"""The layers of each gate, behind the scale of the pixels."""


def network_for(run: Any, net: str, updates: int) -> Network:
    """The network with the run's policy in each gate."""
    _, mean, std = SETS[run.images]
    policy = COLUMNS[run.column][run.policy]
    first, *rest = NETS[net]
    pieces = [nn.Scale(mean, std) >> first, *rest]
    return Network(
        Gate(piece, policy.make(Plan(run.lr, updates, position)), backward=policy.backward)
        for position, piece in enumerate(pieces)
    )


def results(runs: Iterable[Any], folder: Path, *, limit: float = float("inf")) -> dict[Any, Result]:
    """The result of each run: from its file, or by training, for at most `limit` seconds."""
    begun, found = time.monotonic(), {}
    runs = list(dict.fromkeys(runs))
    for number, run in enumerate(runs, 1):
        path = folder / run.stage / f"{run.name}.json"
        if path.exists():
            found[run] = json.loads(path.read_text())
        elif time.monotonic() - begun < limit:
            path.parent.mkdir(parents=True, exist_ok=True)
            found[run] = run.train()
            write_atomic(str(path), [json.dumps(found[run]).encode()])
            print(f"{number}/{len(runs)} {run.name}: {found[run]['accuracy']:.4f}", flush=True)
    if left := len(runs) - len(found):
        print(f"{left} of {len(runs)} runs are left: call it again")
    return found
