"""The network and sentinels of `demo`, from its options."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from akkordeon_dask import data
from akkordeon_dask.cli.demo import _defaults
from akkordeon_dask.cli.demo._network import demo_network
from akkordeon_dask.data import Provider
from akkordeon_dask.network import Network, Sentinel

__all__ = ["DATA_SETS", "Settings"]

DATA_SETS: dict[str, tuple[Callable[..., Provider], int]] = {
    "mnist-sample": (data.mnist_sample, 10_000),
    "mnist": (data.mnist, 60_000),
    "fashion-mnist": (data.fashion_mnist, 60_000),
}
"""For each name on the command line, the function of `data` and the samples that it trains with."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options of `demo` that determine the training; `options/_demo_options.py` documents each."""

    data: str
    sizes: tuple[int, ...]
    optimizer: str
    lr: tuple[float, ...]
    dropout: tuple[float, ...]
    batch_size: int
    concurrency: int
    sentinels: int
    epochs: int
    seed: int
    validate_every: float | str
    accumulate: int = 1
    n_microbatches: int | None = None

    def __post_init__(self) -> None:
        names = [f"train{number}" for number in range(self.sentinels)]
        words = str(self.validate_every).split()
        if words[0] == "epoch" and words[1:] and words[1:] not in [["of", name] for name in names]:
            raise click.BadParameter(
                f"{self.validate_every!r} is of no training sentinel, those are {', '.join(names)}",
                param_hint="'--validate-every'",
            )

    @property
    def updates(self) -> int:
        """Updates of a gate in the whole run, by the batches of all training sentinels in all epochs."""
        samples = DATA_SETS[self.data][1]
        shares = [len(range(index, samples, self.sentinels)) for index in range(self.sentinels)]
        batches = self.epochs * sum(-(-share // self.batch_size) for share in shares)
        return max(1, batches // (self.n_microbatches or self.accumulate))

    def network(self) -> Network:
        """The network, not yet deployed."""
        return demo_network(self.sizes, self.optimizer, self.lr, self.dropout, self.updates, self.accumulate)

    def training(self) -> list[Sentinel]:
        """The training sentinels, which share the data."""
        shares = [(index, self.sentinels) for index in range(self.sentinels)] if self.sentinels > 1 else [None]
        return [
            Sentinel.train(
                self._provider("train", seed=self.seed, shard=shard),
                batch_size=self.batch_size,
                concurrency=self.concurrency,
                epochs=self.epochs,
            )
            for shard in shares
        ]

    def validation(self) -> Sentinel:
        """Rates the network while it trains."""
        provider = self._provider("test")
        return Sentinel.validate(provider, batch_size=_defaults.TEST_BATCH_SIZE, every=self.validate_every)

    def test(self) -> Sentinel:
        """Rates the network at the end."""
        return Sentinel.test(self._provider("test"), batch_size=_defaults.TEST_BATCH_SIZE)

    def _provider(self, split: str, **options: Any) -> Provider:
        return DATA_SETS[self.data][0](split, **options)
