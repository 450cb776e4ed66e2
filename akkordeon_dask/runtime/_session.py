"""A running network, seen from a client: the parts that run on the client's event loop."""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from distributed import Client, Future

from akkordeon_dask import config
from akkordeon_dask.actors import SentinelActor
from akkordeon_dask.errors import (
    AkkordeonError,
    ClosedError,
    DeadlineError,
    NameConflictError,
    SpecError,
)
from akkordeon_dask.messages import Address, PassReport
from akkordeon_dask.network import Network, Sentinel
from akkordeon_dask.runtime._attached import Attached
from akkordeon_dask.runtime._control import answer, construct
from akkordeon_dask.runtime._placement import WorkerInfo, find, workers_of

__all__ = ["GateHandle", "Session"]

logger = logging.getLogger(__name__)

_PATIENCE = 10.0


@dataclass(frozen=True)
class GateHandle:
    """A gate of a running network."""

    name: str
    worker: str
    future: Future[Any]
    actor: Any

    @property
    def address(self) -> Address:
        """Where its messages go."""
        return Address(self.worker, str(self.future.key))

    @property
    def who(self) -> str:
        """For errors: the gate and its worker."""
        return f"gate {self.name!r} on {self.worker}"


class Session:
    """The gates of a network, the sentinels that this client attached, and what became of them.

    All methods run on the client's event loop, and only it changes the state.
    """

    def __init__(self, client: Client, network: Network, name: str, generation: int, gates: list[GateHandle]) -> None:
        self.client, self.network, self.name, self.generation = client, network, name, generation
        self.gates = gates
        self.sentinels: dict[str, Attached] = {}
        self.history: list[PassReport] = []
        self.error: AkkordeonError | None = None
        self.closed = False
        self.listeners: list[Callable[[PassReport], None]] = []
        self._bell = asyncio.Event()
        self._watchers = [asyncio.get_running_loop().create_task(self._watch(gate)) for gate in gates]

    async def _watch(self, gate: GateHandle) -> None:
        """Learn at once when a gate's worker dies: a call that waits there then fails."""
        try:
            while True:
                await answer(gate.actor.pulse(_PATIENCE), gate.who, more=_PATIENCE)
        except AkkordeonError as error:
            self.error = error
            self._ring()

    def _ring(self) -> None:
        self._bell.set()

    def _report(self, report: PassReport) -> None:
        self.history.append(report)
        for listener in self.listeners:
            try:
                listener(report)
            except Exception:
                logger.exception("a listener failed on %s", report)

    def check(self) -> None:
        """Raise what is wrong with the network.

        Raises
        ------
        ClosedError, WorkerLostError, GateError, ...
        """
        if self.closed:
            raise ClosedError(f"network {self.name!r} is closed: deploy it again")
        if self.error is not None:
            raise self.error

    async def attach(self, sentinel: Sentinel) -> Attached:
        """Make a sentinel's actor, where it asks to be or beside the first gate, and let it begin."""
        self.check()
        if not isinstance(sentinel, Sentinel):
            raise SpecError(f"attach takes a Sentinel, e.g. Sentinel.train(data.mnist('train')), not {sentinel!r}")
        name = self._free_name(sentinel)
        worker = await self._place(sentinel, name)
        key = f"akkordeon-{self.name}-{name}-{uuid.uuid4().hex[:8]}"
        future = self.client.submit(
            SentinelActor,
            key,
            sentinel,
            name=name,
            network=self.name,
            generation=self.generation,
            spec=self.network,
            actor=True,
            workers=[worker],
            allow_other_workers=False,
            pure=False,
            key=key,
        )
        try:
            return await self._open(sentinel, name, worker, future)
        except BaseException:
            future.release()
            raise

    async def _open(self, sentinel: Sentinel, name: str, worker: str, future: Future[Any]) -> Attached:
        who = f"sentinel {name!r} on {worker}"
        actor = await construct(future, who, config.seconds("timeouts.load"))
        attached = Attached(
            sentinel, name, worker, future=future, actor=actor, changed=self._ring, report=self._report
        )
        self.sentinels[name] = attached
        try:
            await answer(actor.open(tuple(gate.address for gate in self.gates)), who)
        except BaseException:
            del self.sentinels[name]
            raise
        attached.follow()
        return attached

    def _free_name(self, sentinel: Sentinel) -> str:
        if sentinel.name is None:
            return next(name for name in _numbered(sentinel.mode) if name not in self.sentinels)
        if sentinel.name in self.sentinels:
            raise NameConflictError(
                f"network {self.name!r} has a sentinel {sentinel.name!r} already: detach it, or choose another name"
            )
        return sentinel.name

    async def _place(self, sentinel: Sentinel, name: str) -> str:
        if sentinel.workers is None:
            return self.gates[0].worker
        found: list[WorkerInfo] = find(sentinel.workers, await workers_of(self.client), f"sentinel {name!r}")
        return found[0].address

    async def detach(self, attached: Attached) -> None:
        """End a sentinel: its credits come home, the gates forget it."""
        self.sentinels.pop(attached.name, None)
        await attached.leave()
        self._ring()

    async def until(self, done: Callable[[], bool], timeout: float | None) -> None:
        """Wait until `done`, while the network is well.

        Raises
        ------
        AkkordeonError
            what went wrong with a gate or a sentinel in the meantime.
        DeadlineError
            after `timeout` seconds.
        """
        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout
        while True:
            self._bell.clear()
            self.check()
            for attached in self.sentinels.values():
                if attached.error is not None:
                    raise attached.error
            if done():
                return
            try:
                await asyncio.wait_for(self._bell.wait(), None if end is None else max(0.0, end - loop.time()))
            except TimeoutError:
                states = ", ".join(map(repr, self.sentinels.values())) or "no sentinels"
                raise DeadlineError(f"not done after {timeout:g} s: {states}: wait longer, or detach them") from None

    async def on_gates(self, method: str, *args: Any) -> dict[str, Any]:
        """The answers of all gates to one call, by gate."""
        self.check()
        calls = [answer(getattr(gate.actor, method)(*args), gate.who) for gate in self.gates]
        return dict(zip([gate.name for gate in self.gates], await asyncio.gather(*calls), strict=True))

    async def close_gates(self) -> None:
        """End all gates and let Dask forget them; what is gone already is no error."""
        await self._stop_watching()
        results = await asyncio.gather(
            *(answer(gate.actor.close(), gate.who) for gate in self.gates), return_exceptions=True
        )
        for gate, result in zip(self.gates, results, strict=True):
            if isinstance(result, BaseException):
                logger.info("closing %s: %s", gate.who, result)
            gate.future.release()

    async def leave(self) -> None:
        """Detach this client's sentinels and let go of the gates, which live on if the network is published."""
        self.closed = True
        for attached in list(self.sentinels.values()):
            with contextlib.suppress(AkkordeonError):
                await self.detach(attached)
        await self._stop_watching()

    async def _stop_watching(self) -> None:
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)


def _numbered(word: str) -> Iterator[str]:
    number = 0
    while True:
        yield f"{word}{number}"
        number += 1
