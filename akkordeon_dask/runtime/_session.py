"""A running network, seen from a client: the parts that run on the client's event loop."""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Iterator
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
    TrainingError,
)
from akkordeon_dask.messages import PassReport
from akkordeon_dask.network import Beside, Network, Sentinel, find_workers, workers_of
from akkordeon_dask.runtime._attached import Attached
from akkordeon_dask.runtime._control import construct, submit
from akkordeon_dask.runtime._gate_handle import GateHandle
from akkordeon_dask.runtime._versions import check_versions

__all__ = ["Session"]

logger = logging.getLogger(__name__)

_PATIENCE = 10.0


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
        self._joining: set[str] = set()
        self._bell = asyncio.Event()
        self._watchers = [asyncio.get_running_loop().create_task(self._watch(gate)) for gate in gates]

    async def _watch(self, gate: GateHandle) -> None:
        """Learn at once when a gate's worker dies: a call that waits there then fails."""
        try:
            while True:
                await gate.ask("pulse", _PATIENCE, more=_PATIENCE)
        except AkkordeonError as error:
            self.error = error
        except Exception as error:
            logger.exception("watching %s", gate.who)
            self.error = TrainingError(f"{gate.who}: {error!r}")
        self._ring()

    def _ring(self) -> None:
        self._bell.set()

    def _report(self, report: PassReport) -> None:
        if report.mode == "predict":
            return
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
        self._joining.add(name)
        try:
            return await self._make(sentinel, name)
        finally:
            self._joining.discard(name)

    async def _make(self, sentinel: Sentinel, name: str) -> Attached:
        worker = await self._place(sentinel, name)
        await check_versions(self.client, [worker])
        key = f"akkordeon-{self.name}-{name}-{uuid.uuid4().hex[:8]}"
        future = submit(
            self.client,
            SentinelActor,
            key,
            sentinel,
            worker=worker,
            who=f"sentinel {name!r}",
            name=name,
            network=self.name,
            generation=self.generation,
            spec=self.network,
        )
        try:
            return await self._open(sentinel, name, worker, future)
        except BaseException:
            future.release()
            raise

    async def _open(self, sentinel: Sentinel, name: str, worker: str, future: Future[Any]) -> Attached:
        who = f"sentinel {name!r} on {worker}"
        actor = await construct(future, who, config.seconds("timeouts.load"))
        attached = Attached(sentinel, name, worker, future=future, actor=actor, changed=self._ring, report=self._report)
        self.sentinels[name] = attached
        try:
            self.check()
            await attached.ask("open", tuple(gate.address for gate in self.gates))
            self.check()
        except BaseException:
            await self.detach(attached)
            raise
        attached.follow()
        return attached

    def _free_name(self, sentinel: Sentinel) -> str:
        taken = self.sentinels.keys() | self._joining
        if sentinel.name is None:
            return next(name for name in _numbered(sentinel.mode) if name not in taken)
        if sentinel.name in taken:
            raise NameConflictError(
                f"network {self.name!r} has a sentinel {sentinel.name!r} already: detach it, or choose another name"
            )
        return sentinel.name

    async def _place(self, sentinel: Sentinel, name: str) -> str:
        wish = sentinel.workers
        if wish is None:
            return self.gates[0].worker
        if isinstance(wish, Beside):
            return self._gate(wish.gate, name).worker
        return find_workers(wish, await workers_of(self.client), f"sentinel {name!r}")[0].address

    def _gate(self, name: str, sentinel: str) -> GateHandle:
        """The gate that a sentinel shall be beside."""
        for gate in self.gates:
            if gate.name == name:
                return gate
        known = ", ".join(gate.name for gate in self.gates)
        raise SpecError(
            f"sentinel {sentinel!r} shall be beside gate {name!r}, network {self.name!r} has {known}: "
            "write the name of one of them"
        )

    async def detach(self, attached: Attached) -> None:
        """End a sentinel: its credits come home, the gates forget it."""
        if self.sentinels.get(attached.name) is attached:
            del self.sentinels[attached.name]
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
                async with asyncio.timeout_at(end):
                    await self._bell.wait()
            except TimeoutError:
                states = ", ".join(map(repr, self.sentinels.values())) or "no sentinels"
                raise DeadlineError(f"not done after {timeout:g} s: {states}: wait longer, or detach them") from None

    async def on_gates(self, method: str, *args: Any) -> dict[str, Any]:
        """The answers of all gates to one call, by gate.

        Gates that somebody else closed still have their parameters, and refuse themselves what they cannot do any more.
        """
        if self.closed or not isinstance(self.error, ClosedError):
            self.check()
        calls = [gate.ask(method, *args) for gate in self.gates]
        return dict(zip([gate.name for gate in self.gates], await asyncio.gather(*calls), strict=True))

    async def close_gates(self) -> None:
        """End all gates and let Dask forget them; what is gone already is no error."""
        await self._stop_watching()
        results = await asyncio.gather(*(gate.ask("close") for gate in self.gates), return_exceptions=True)
        for gate, result in zip(self.gates, results, strict=True):
            if isinstance(result, BaseException):
                logger.info("closing %s: %s", gate.who, result)
            gate.release()

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
