"""Event loops that outlast Dask's senders."""

import asyncio

from distributed import Client

__all__ = ["LingeringClient", "linger"]

_LINGER_S = 0.02
"""Seconds. A sender of Dask may outlive its connection: up to 10 ms after its last message it waits for another, and
then without end. A loop that stops in the round in which the 10 ms are over leaves the sender's TimeoutError unhandled,
and logs that to standard error (distributed 2026.8.0). Senders do so of clients and of the list of workers."""


async def linger() -> None:
    """Wait until the senders of closed connections on this event loop wait without end."""
    await asyncio.sleep(_LINGER_S)


class LingeringClient(Client):
    """A client that may close its event loop: the loop outlasts the client's sender."""

    async def _close(self, fast: bool = False) -> None:
        await super()._close(fast)
        await linger()


LingeringClient.__name__ = Client.__name__  # a client's id begins with it, and users see that
