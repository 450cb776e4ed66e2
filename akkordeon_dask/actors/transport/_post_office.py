"""The delivery of messages between actors."""

import asyncio
import dataclasses
import logging
import time
import weakref
from collections.abc import Callable, Collection
from typing import Any

from dask.system import CPU_COUNT
from distributed import Worker
from distributed.comm import Comm, connect
from distributed.core import Status
from distributed.diagnostics.plugin import WorkerPlugin

from akkordeon_dask import config
from akkordeon_dask._open_files import describe_shortage
from akkordeon_dask.actors._offload import offload
from akkordeon_dask.actors.engine._cell import Cell
from akkordeon_dask.actors.engine._dispatcher import dispatcher
from akkordeon_dask.actors.shutdown._drain import ActorInfo, WorkerDrain
from akkordeon_dask.actors.shutdown._hooks import ShutdownHooks
from akkordeon_dask.actors.transport._call_batches import CALLS_OP, CallBatches
from akkordeon_dask.actors.transport._link import LINK_OP, Link, LinkStatistics
from akkordeon_dask.actors.transport._local import ACKNOWLEDGE
from akkordeon_dask.actors.transport._local_station import LOCAL_OP, LocalStation
from akkordeon_dask.actors.transport._metrics import WORKER_COLLECTOR
from akkordeon_dask.errors import DeploymentError, MessageError, PlacementError, SpecError, WorkerLostError
from akkordeon_dask.memory import pool
from akkordeon_dask.messages import TOPIC, Address, GateMetrics, Message, Metrics, SentinelMetrics, decode, nbytes
from akkordeon_dask.network import Claim, Resources, describe_stock

__all__ = ["PostOffice"]

logger = logging.getLogger(__name__)

_PLUGIN = "akkordeon-post-office"
"""The name of the post office among its worker's plugins."""

_QUIET = 60
"""Seconds between two log lines on messages that are none."""
_CONNECTIONS = 3
"""Of a link with its peer: one each way, and one more as it connects."""
_CHECK = 0.05
"""Seconds between two looks for released keys, while a worker that closes drains."""

_offices: "weakref.WeakValueDictionary[str, PostOffice]" = weakref.WeakValueDictionary()
"""Post offices of in-process workers by worker address, which is unique in a process. Each belongs to its worker's
plugins; this directory only finds them. Written on event loops, read by any thread."""


def _count_threads() -> None:
    """Have the process's actors compute with as many threads as its workers have, or as the configuration says."""
    own = sum(one.worker.state.nthreads for one in _offices.values())
    dispatcher.threads = config.optional_whole("threads", 1) or max(1, min(CPU_COUNT, own))
    dispatcher.messages_per_turn = config.whole("messages-per-turn", 1)
    dispatcher.stalls.limit = config.optional_seconds("supervision.stuck")


def _check_settings_of(worker: Worker) -> None:
    """A worker's configuration is another than its client's: DeploymentError names the worker and the setting."""
    try:
        config.check()
    except SpecError as error:
        raise DeploymentError(f"on worker {worker.name} ({worker.address}) {error}") from None


class PostOffice(WorkerPlugin):
    """One for each worker: delivers messages between actors, here and elsewhere.

    A message for an actor of this worker, or of another worker in this process, goes straight into its
    mailbox; one for another process goes over a link.

    It is a worker plugin, for Dask calls no hook on an actor that it releases: when the key of an
    actor is released, it is stopped here.
    """

    name = _PLUGIN

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.address = worker.address
        self.drain = WorkerDrain(f"worker {worker.name} ({worker.address})", self._log_draining)
        self.ending = False
        """The worker ends, and its actors with it: set once, by the teardown. `worker.status` cannot tell, for the
        scheduler writes it too. Written on the event loop."""
        self.dead_letters = 0
        """Messages for actors that are not here (any more). Any thread counts: it may miss one in a race."""
        self._next_refusal = 0.0
        """The time from which on a message that is none is logged. Any thread: a race may log two."""
        self._shortage_reported = False
        self.links: dict[str, Link] = {}
        self.claims: dict[str, Claim] = {}
        """The worker's resources that gates reserve, by the actor's key. Used on the event loop only."""
        self._calls = CallBatches(worker)
        self._station = LocalStation(self.address, self)
        self._in_process = self.address.startswith("inproc://")
        self._cells: dict[str, Cell] = {}
        self._handlers: set[str] = set()
        self._removals: set[asyncio.Task[None]] = set()
        self._hooks: ShutdownHooks | None = None

    @classmethod
    def at(cls, worker: Worker) -> "PostOffice | None":
        """The post office of a worker, if it has one. A worker that closes has no plugins, but may still drain."""
        office = _offices.get(worker.address)
        return office if office is not None and office.worker is worker else None

    @classmethod
    async def of(cls, worker: Worker) -> "PostOffice":
        """The post office of a worker, created when there is none. On its event loop.

        Raises
        ------
        WorkerLostError
            when the worker closes.
        """
        office = cls.at(worker)
        if office is None:
            _check_settings_of(worker)
            office = cls(worker)
            await worker.plugin_add(office, name=_PLUGIN, catch_errors=False)
        elif office.ending:
            raise WorkerLostError(f"worker {worker.name} ({worker.address}) closes: choose another one")
        return office

    @classmethod
    def from_thread(cls, worker: Worker) -> "PostOffice":
        """The post office of a worker. In any thread but its event loop's."""
        loop: asyncio.AbstractEventLoop = worker.loop.asyncio_loop  # type: ignore[attr-defined]
        return asyncio.run_coroutine_threadsafe(cls.of(worker), loop).result(config.seconds("timeouts.control"))

    def setup(self, worker: Worker) -> None:
        _offices[self.address] = self
        _count_threads()
        pool.capacity = config.nbytes("pool.capacity")
        self.register(LINK_OP, self._receive)
        self.register(LOCAL_OP, self._offer_socket)
        worker.handlers[CALLS_OP] = self._calls.exchange  # as long as the worker answers: it says that its actors ended
        worker.metrics[TOPIC] = self._heartbeat_metrics
        WORKER_COLLECTOR.add(self)
        self._hooks = ShutdownHooks(worker, self.drain)

    def register(self, op: str, handler: Callable[..., Any]) -> None:
        """Let other workers call `handler` by the name `op`, until this worker closes."""
        self.worker.handlers[op] = handler
        self._handlers.add(op)

    def _log_draining(self, network: str, text: str) -> None:
        self.worker.log_event(TOPIC, {"network": network, "event": "leaving", "text": text})

    def _log_unreachable(self, text: str) -> None:
        for network in self.drain.networks:
            self.worker.log_event(TOPIC, {"network": network, "event": "unreachable", "text": text})

    async def try_links(self, peers: Collection[str]) -> dict[str, str]:
        """Connect to other workers, within `timeouts.connect`; the errors by peer. On the event loop."""
        found = await asyncio.gather(*map(self._try_link, peers))
        return {peer: error for peer, error in zip(peers, found, strict=True) if error}

    async def _try_link(self, peer: str) -> str:
        if peer == self.address or self._in_process:
            return ""
        try:
            comm = await connect(peer, timeout=config.seconds("timeouts.connect"), **self.worker.connection_args)
        except OSError as error:
            return str(error) or type(error).__name__
        comm.abort()
        return ""

    async def teardown(self, worker: Worker) -> None:
        """The worker closes, for whatever reason: its actors get the time to move, if they had not, and then end."""
        self.ending = True
        if self._reaches_scheduler():
            await self._drain_at_end()
        if self._hooks is not None:
            await self._hooks.close()
        for op in self._handlers:
            worker.handlers.pop(op, None)
        worker.metrics.pop(TOPIC, None)
        WORKER_COLLECTOR.remove(self)
        _offices.pop(self.address, None)
        _count_threads()
        for key in list(self._cells):
            self._cells[key].stop()
        limit = config.seconds("timeouts.close")
        for key in list(self._cells):
            await self.remove(key, limit)
        await self._calls.close()
        await self._close_links()

    def _reaches_scheduler(self) -> bool:
        """Without the scheduler nobody could make the actors' successors."""
        stream = self.worker.batched_stream
        return stream is not None and stream.comm is not None and not stream.comm.closed()

    async def _drain_at_end(self) -> None:
        """Drain the worker; Dask calls `transition` no more, so the keys that it releases are looked for."""
        leaving = asyncio.get_running_loop().create_task(self.drain.leave())
        while not (await asyncio.wait([leaving], timeout=_CHECK))[0]:
            for key in [key for key in self._cells if key not in self.worker.state.actors]:
                self._remove_soon(key)
            if not self._reaches_scheduler():
                await self.drain.end()

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
        """Dask releases a key: an actor and its claim end. On the event loop."""
        if start == "memory" and finish != "memory" and (key in self._cells or key in self.claims):
            self._remove_soon(key)

    def _remove_soon(self, key: str) -> None:
        task = asyncio.get_running_loop().create_task(self.remove(key, config.seconds("timeouts.close")))
        self._removals.add(task)
        task.add_done_callback(self._removals.discard)

    def claim(self, key: str, claim: Claim) -> None:
        """Reserve the resources of a gate, until it is removed. On the event loop.

        Whoever deploys it has checked them, but another client may have been faster.

        Raises
        ------
        PlacementError
            when not enough is left: names the holders.
        """
        has = Resources.from_mapping(self.worker.state.total_resources)
        others = [other for taker, other in self.claims.items() if taker != key]
        if not has.can_hold(others, claim.resources):
            raise PlacementError(
                f"{claim.who} asks for {claim.resources}, worker {self.worker.name} ({self.address}) has "
                f"{describe_stock(has, others, claim.resources)}: "
                "ask for less, close another network, or start more workers"
            )
        self.claims[key] = claim

    def add(self, key: str, cell: Cell, info: ActorInfo | None = None) -> None:
        """Deliver messages for `key` to this cell; an actor with `info` takes part in the worker's drain."""
        self._cells[key] = cell
        if info is not None:
            self.drain.register(key, info)

    async def remove(self, key: str, timeout: float) -> None:
        """Stop an actor and wait for its end, at most `timeout` seconds. Does nothing for an unknown key."""
        cell = self._cells.get(key)
        if cell is None:
            self.claims.pop(key, None)
            return
        cell.stop()
        try:
            await cell.stopped(timeout)
        except TimeoutError:
            logger.warning("%s did not end within %s s: it is left to end when it can", key, timeout)
        self._cells.pop(key, None)
        self.claims.pop(key, None)
        self.drain.unregister(key)
        if not self._cells:
            await offload(dispatcher.join, timeout)
            if not self._cells:  # another one may have come meanwhile
                await self._close_links()

    async def _close_links(self) -> None:
        links, self.links = self.links, {}
        for link in links.values():
            await link.close()
        await self._station.close()

    def send(self, to: Address, message: Message) -> None:
        """Deliver a message or queue it on a link. Any thread; never blocks, never raises: dead letters are counted."""
        if to.worker == self.address:
            self.deliver(to.actor, message)
        elif self._in_process:
            office = _offices.get(to.worker)
            if office is not None:
                office.deliver(to.actor, message)
            else:
                self.dead_letters += 1
        else:
            self._link(to.worker).send(to.actor, message)

    def _link(self, peer: str) -> Link:
        link = self.links.get(peer)
        if link is None:
            self._check_open_files()
            link = self.links.setdefault(peer, Link(self.worker, peer, self._station, self._log_unreachable))
        return link

    def _check_open_files(self) -> None:
        """Tell once where the process may not open as many connections as it soon needs."""
        if not self._shortage_reported and (shortage := describe_shortage(_CONNECTIONS * (len(self.links) + 1))):
            self._shortage_reported = True
            logger.warning("worker %s (%s): %s", self.worker.name, self.address, shortage)

    def deliver(self, actor: str, message: Message) -> None:
        """Put a message into the mailbox of an actor of this worker; a dead letter where it has none. Any thread."""
        cell = self._cells.get(actor)
        if cell is None:
            self.dead_letters += 1
        else:
            cell.put(message)

    def refuse(self, sender: str, error: Exception) -> None:
        """Count as a dead letter what a link brought from `sender`, and is no message; log one a minute. Any thread."""
        self.dead_letters += 1
        now = time.monotonic()
        if now >= self._next_refusal:
            self._next_refusal = now + _QUIET
            logger.warning(
                "dropped a message from %s: %s; %d dead letters so far, more are counted and not logged for %d s",
                sender, error, self.dead_letters, _QUIET,
            )  # fmt: skip

    def run_turns(self, deliver_all: Callable[[], None]) -> None:
        """Deliver a burst of messages, and give their actors turns in this thread where no other one does."""
        dispatcher.deliver(deliver_all)

    async def _offer_socket(self, host: Any) -> dict[str, Any] | None:
        """The way to this worker's socket, for a worker of the same host. On the event loop."""
        return self._station.offer(host) if self._cells else None

    async def _receive(self, comm: Comm, sender: str) -> Status:
        """The other end of a link: runs for as long as the connection lives. On the event loop."""
        unread = 0
        comm.allow_offload = False
        try:
            while True:
                envelopes = await comm.read()
                for envelope in envelopes if isinstance(envelopes, list | tuple) else [envelopes]:
                    unread += self._deliver_encoded(envelope, sender)
                if unread > ACKNOWLEDGE:
                    await comm.write({"ack": unread})
                    unread = 0
        except OSError:
            logger.debug("link from %s ended", sender)
        return Status.dont_reply

    def _deliver_encoded(self, envelope: Any, sender: str) -> int:
        try:
            message = decode(envelope["message"])
            self.deliver(envelope["to"], message)
        except (MessageError, KeyError, TypeError) as error:
            self.refuse(sender, error)
            return 0
        return nbytes(message)

    def metrics(self) -> list[Metrics]:
        """The latest metrics of this worker's actors. Any thread."""
        latest = [(cell.metrics, cell.stuck, cell.hangs) for cell in list(self._cells.values())]
        # An actor that is stuck has no turn in which it could say so.
        return [
            dataclasses.replace(metrics, stuck=stuck, hangs=hangs) if isinstance(metrics, GateMetrics) else metrics
            for metrics, stuck, hangs in latest
            if metrics is not None
        ]

    def _heartbeat_metrics(self, worker: Worker) -> dict[str, Any]:
        """The metrics for the worker's heartbeat. On the event loop."""
        latest = self.metrics()
        return {
            "gates": [metrics.as_dict() for metrics in latest if isinstance(metrics, GateMetrics)],
            "sentinels": [metrics.as_dict() for metrics in latest if isinstance(metrics, SentinelMetrics)],
            "links": [link.metrics().as_dict() for link in list(self.links.values())],
            "at": time.monotonic(),
        }

    def statistics(self) -> list[LinkStatistics]:
        """All links at this moment."""
        return [link.statistics() for link in self.links.values()]
