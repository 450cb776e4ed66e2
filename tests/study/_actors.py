"""Runs of the study on real actors."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass

from dask.system import CPU_COUNT

from akkordeon_dask import Sentinel, deploy
from akkordeon_dask.errors import AkkordeonError
from tests.study._runs import BATCH_SIZE, SETS, Result, network_for

SAMPLES = 60_000


@dataclass(frozen=True)
class ActorsRun:
    """A training by actors in one process on the full data, rated on the test set."""

    stage: str
    images: str
    column: str
    policy: str
    lr: float
    concurrency: int
    sentinels: int
    busy: bool
    seed: int
    epochs: int
    net: str = "dense"

    @property
    def task(self) -> str:
        """The data and the network."""
        return self.images if self.net == "dense" else f"{self.images}, {self.net}"

    @property
    def name(self) -> str:
        """Of its file."""
        parts = [f"{value:g}" if isinstance(value, float) else str(value) for value in asdict(self).values()]
        return "_".join(parts).replace(" ", "-").replace(",", "")

    @property
    def delay(self) -> str:
        """The way in which gradients come late."""
        sentinels = "" if self.sentinels == 1 else f", {self.sentinels} sentinels"
        return f"concurrency {self.concurrency}{sentinels}{', busy' if self.busy else ''}"

    def train(self) -> Result:
        """Accuracy on the test set, and the mean delay of each gate."""
        with burning() if self.busy else nullcontext():
            try:
                return self._train()
            except AkkordeonError as error:  # it diverged
                return {"accuracy": 0.1, "delays": [], "error": str(error)}

    def _train(self) -> Result:
        images, _, _ = SETS[self.images]
        network = network_for(self, self.net, self.epochs * -(-SAMPLES // BATCH_SIZE))
        with deploy(network, seed=self.seed) as running:
            for shard in range(self.sentinels):
                provider = images("train", shard=(shard, self.sentinels), seed=self.seed)
                running.attach(
                    Sentinel.train(provider, batch_size=BATCH_SIZE, concurrency=self.concurrency, epochs=self.epochs)
                )
            running.wait()
            report = running.evaluate(Sentinel.test(images("test"), batch_size=1000))
            counts = [running.statistics()[name].counts.delays for name in network.names]
        means = [sum(delay * n for delay, n in its.items()) / max(1, sum(its.values())) for its in counts]
        return {
            "accuracy": float(report.scores["accuracy"]),
            "loss": float(report.loss),
            "delays": means,
            "load": os.getloadavg()[0],
        }


@contextmanager
def burning() -> Iterator[None]:
    """Beside a program for each core that never rests."""
    with ExitStack() as stack:
        for _ in range(CPU_COUNT):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(process.kill)
        yield
