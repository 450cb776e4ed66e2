"""The cost of a message between two workers."""

import asyncio
import itertools
import time
from typing import Any

import numpy as np

from akkordeon_dask.actors._dask_actor import DaskActor
from akkordeon_dask.actors.shutdown._drain import ActorInfo
from akkordeon_dask.messages import Address, Forward, Header
from akkordeon_dask.runtime import EmbeddedCluster
from akkordeon_dask.tree import Array


class Echo(DaskActor):
    """Sends what it gets back to its peer until the message's sequence is used up."""

    async def open(self, peer: Address) -> None:
        """Start the thread."""
        self._peer, self._done = peer, asyncio.Event()
        self._playing, self._numbers = 0, itertools.count()
        await self._start(ActorInfo("bench", "gate", self.key), _Behavior(self), observe=None, ended=lambda: None)

    async def play(self, pairs: int, nbytes: int, balls: int) -> float:
        """Seconds a message, over pairs of messages to and fro, so many of them under way at once."""
        self._done.clear()
        self._playing = balls
        begun = time.perf_counter()
        for _ in range(balls):
            self.post(2 * pairs - 1, np.zeros(nbytes // 4, np.float32))
        await asyncio.wait_for(self._done.wait(), 60)
        return (time.perf_counter() - begun) / (2 * pairs * balls)

    def _caught(self) -> None:
        self._playing -= 1
        if not self._playing:
            self._done.set()

    def post(self, left: int, array: Array) -> None:
        """Send on; with nothing left to send, say so. Any thread."""
        if left < 0:
            self._loop.call_soon_threadsafe(self._caught)
        else:
            # A mailbox keeps one message of a batch: the sequence must differ between balls.
            number = next(self._numbers)
            header = Header("bench", 1, "echo", self.address, left, number, 0, 1, "train", False, 60.0)
            self._office.send(self._peer, Forward(header, array))


class _Behavior:
    """The behavior of an echo."""

    def __init__(self, echo: Echo) -> None:
        self._echo = echo

    wants_timer = False

    def receive(self, message: Forward) -> None:
        self._echo.post(message.header.pass_number - 1, message.x)

    def apply(self, computation: object) -> None:
        pass

    def on_timer(self, now: float) -> float:
        return 1.0

    def stop(self) -> None:
        pass


def hop(sizes: tuple[int, ...], pairs: int) -> dict[int, tuple[float, ...]]:
    """Microseconds a message of each size in bytes, between threads of actors in two worker processes.

    The first figure is of one message at a time, its way through two threads and two event loops; the second is of
    eight under way at once, the cost when batches follow one another.
    """
    cluster = EmbeddedCluster(2)
    try:
        costs = cluster.client.sync(_play, cluster.client, sizes, pairs)
        return {size: tuple(cost * 1e6 for cost in both) for size, both in costs.items()}
    finally:
        cluster.close()


async def _play(client: Any, sizes: tuple[int, ...], pairs: int) -> dict[int, tuple[float, float]]:
    workers = list((await client.scheduler.identity(n_workers=-1))["workers"])
    futures = [
        client.submit(Echo, f"echo-{n}", actor=True, workers=[w], allow_other_workers=False, key=f"echo-{n}")
        for n, w in enumerate(workers)
    ]
    one, two = [await future for future in futures]
    here, there = (Address(worker, f"echo-{n}") for n, worker in enumerate(workers))
    await one.open(there)
    await two.open(here)
    try:
        await one.play(pairs // 10, sizes[0], 1)
        return {size: (await one.play(pairs, size, 1), await one.play(pairs // 5, size, 8)) for size in sizes}
    finally:
        await one.close()
        await two.close()
