"""Verbs for synchronous and asynchronous clients."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from distributed import Client

from akkordeon_dask.errors import ClosedError

__all__ = ["Calling"]


class Calling(ABC):
    """Calls its verbs on the client's event loop: with an asynchronous client they give awaitables.

    A context, `with` or `async with`: it closes at the end.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called in errors."""

    @property
    @abstractmethod
    def client(self) -> Client:
        """On whose loop the verbs run."""

    @abstractmethod
    async def _close(self) -> None: ...

    def close(self) -> Any:
        """Detach this client's sentinels and, as the owner, end the network: no thread, comm or key is left.

        May be called again.
        """
        return self._sync(self._close)

    def _sync(self, function: Callable[..., Any], *args: Any) -> Any:
        if self.client.status == "closed" and not self.client.asynchronous:
            return self._without_client(function)
        return self.client.sync(self._call, function, *args)

    async def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        return self._without_client(function) if self.client.status == "closed" else await function(*args)

    def _without_client(self, function: Callable[..., Any]) -> None:
        """Its keys and its event loop went with the client: there is nothing to close, and nothing to call."""
        if function != self._close:
            raise ClosedError(f"the client of network {self.name!r} is closed: deploy or connect with another one")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()
