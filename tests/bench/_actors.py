"""A row of the benchmark, trained by this project's actors."""

import resource
import time
from collections import Counter
from contextlib import ExitStack
from typing import Any

from akkordeon_dask import Sentinel, beside, deploy
from akkordeon_dask.data import Provider
from akkordeon_dask.runtime import EmbeddedCluster
from tests.bench._rows import Row


class Actors:
    """The network of a row and its training sentinel, at the first gate or at this one. They rest between runs."""

    def __init__(self, row: Row, provider: Provider, samples: int, sentinel_at: str | None = None) -> None:
        self._row, self._samples = row, samples
        self._stack = ExitStack()
        client = None
        if row.workers:
            cluster = EmbeddedCluster(row.workers)
            self._stack.callback(cluster.close)
            client = cluster.client
        self._running = self._stack.enter_context(deploy(row.network, client))
        sentinel = Sentinel.train(
            provider,
            batch_size=row.batch_size,
            concurrency=row.concurrency,
            workers=None if sentinel_at is None else beside(sentinel_at),
        )
        self._running.attach(sentinel)
        self._pass_s = self._train(2) / 2

    def run(self, seconds: float) -> dict[str, Any]:
        """As many passes as fit: samples a second, updates a gradient was late by, context switches a batch.

        Delays are counts of gradients by their delay, for each gate in order.
        """
        passes = max(1, round(seconds / self._pass_s))
        delays, switches = self._delays(), self._switches()
        took = self._train(passes)
        switched = self._switches() - switches
        self._pass_s = took / passes
        return {
            "samples_per_s": passes * self._samples / took,
            "delays": [after - before for before, after in zip(delays, self._delays(), strict=True)],
            "switches_a_batch": switched / (passes * -(-self._samples // self._row.batch_size)),
        }

    def close(self) -> None:
        """End the network, and its cluster."""
        self._stack.close()

    def _train(self, passes: int) -> float:
        begun = time.perf_counter()
        self._running.wait(epochs=passes)
        return time.perf_counter() - begun

    def _delays(self) -> list[Counter[int]]:
        statistics = self._running.statistics()
        return [Counter(statistics[gate].counts.delays) for gate in self._running.placement]

    def _switches(self) -> int:
        """Of all threads of the processes that hold the gates: by themselves, and because others wanted the core."""
        usages = self._running.client.run(resource.getrusage, resource.RUSAGE_SELF).values()
        return sum(usage.ru_nvcsw + usage.ru_nivcsw for usage in usages)
