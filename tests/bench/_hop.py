"""What a message between two workers costs."""

import asyncio
import time
from typing import Any

import numpy as np

from akkordeon_dask.actors._actor import ThreadedActor
from akkordeon_dask.messages import Address, Forward, Header
from akkordeon_dask.runtime import Embedded
from akkordeon_dask.tree import Array

__all__ = ["hop"]


class Echo(ThreadedActor):
    """Sends what it gets back to its peer until the message's sequence is used up."""

    async def open(self, peer: Address) -> None:
        """Start the thread."""
        self._peer, self._loop, self._done = peer, asyncio.get_running_loop(), asyncio.Event()
        await self._start(self.key, _Core(self))

    async def play(self, pairs: int, nbytes: int) -> float:
        """Seconds a message, over pairs of messages to and fro."""
        self._done.clear()
        begun = time.perf_counter()
        self.post(2 * pairs - 1, np.zeros(nbytes // 4, np.float32))
        await asyncio.wait_for(self._done.wait(), 60)
        return (time.perf_counter() - begun) / (2 * pairs)

    def post(self, left: int, array: Array) -> None:
        """Send on; with nothing left to send, say so. Any thread."""
        if left < 0:
            self._loop.call_soon_threadsafe(self._done.set)
        else:
            header = Header("bench", 1, "echo", self.address, 1, left, 0, 1, "train", False, 60.0)
            self._send(self._peer, Forward(header, array))


class _Core:
    """What the echo's thread does."""

    def __init__(self, echo: Echo) -> None:
        self._echo = echo

    def handle(self, message: Forward) -> None:
        self._echo.post(message.header.sequence - 1, message.x)

    def tick(self, now: float) -> float:
        return 1.0

    def close(self) -> None:
        pass


def hop(sizes: tuple[int, ...], pairs: int) -> dict[int, float]:
    """Microseconds a message of each size in bytes, between threads of actors in two worker processes."""
    cluster = Embedded(2)
    try:
        return {size: cost * 1e6 for size, cost in cluster.client.sync(_play, cluster.client, sizes, pairs).items()}
    finally:
        cluster.close()


async def _play(client: Any, sizes: tuple[int, ...], pairs: int) -> dict[int, float]:
    workers = list((await client.scheduler.identity(n_workers=-1))["workers"])
    futures = [
        client.submit(Echo, f"echo-{n}", actor=True, workers=[w], allow_other_workers=False, key=f"echo-{n}")
        for n, w in enumerate(workers)
    ]
    one, two = [await future for future in futures]
    await one.open(await two.place())
    await two.open(await one.place())
    try:
        await one.play(pairs // 10, sizes[0])
        return {size: await one.play(pairs, size) for size in sizes}
    finally:
        await one.close()
        await two.close()
