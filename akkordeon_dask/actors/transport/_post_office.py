"""How messages reach actors."""

import asyncio
import logging
import time
import weakref
from typing import Any

from distributed import Worker
from distributed.comm import Comm
from distributed.core import Status
from distributed.diagnostics.plugin import WorkerPlugin

from akkordeon_dask import config
from akkordeon_dask.actors.engine._cell import ActorCell
from akkordeon_dask.actors.gate._fetch import HANDOVER_OP, hand_over
from akkordeon_dask.actors.shutdown._drain import ActorInfo, WorkerDrain
from akkordeon_dask.actors.shutdown._nanny import LEAVE_OP, install_nanny_plugin
from akkordeon_dask.actors.shutdown._signals import SigtermHandler
from akkordeon_dask.actors.transport._link import LINK_OP, Link, LinkStatistics
from akkordeon_dask.actors.transport._metrics import WORKER_COLLECTOR
from akkordeon_dask.errors import MessageError, PlacementError
from akkordeon_dask.memory import pool
from akkordeon_dask.messages import TOPIC, Address, GateMetrics, Message, Metrics, SentinelMetrics, decode, nbytes
from akkordeon_dask.network import Claim, Resources, describe_stock

__all__ = ["POST_OFFICE", "PostOffice"]

logger = logging.getLogger(__name__)

POST_OFFICE = "akkordeon-post-office"
"""The name of the worker's plugin that knows its gates."""

_ACK = 1 << 20

_offices: "weakref.WeakValueDictionary[str, PostOffice]" = weakref.WeakValueDictionary()
"""Post offices of in-process workers by worker address, which is unique in a process. Each belongs to its worker's
plugins; this directory only finds them. Written on event loops, read by any thread."""


class PostOffice(WorkerPlugin):
    """One for each worker: delivers messages between actors, here and elsewhere.

    A message for an actor of this worker, or of another worker in this process, goes straight into its
    mailbox; one for another process goes over a link.

    It is a worker plugin, for Dask calls no hook on an actor that it forgets: when the key of an
    actor is released, its thread is stopped here.
    """

    name = POST_OFFICE
    leaving: WorkerDrain
    """What happens when the worker is told to end."""

    def __init__(self) -> None:
        self.dead_letters = 0
        """Messages for actors that are not here (any more). Any thread counts: it may miss one in a race."""
        self.links: dict[str, Link] = {}
        self.claims: dict[str, Claim] = {}
        """What gates have taken of the worker's resources, by the actor's key. Used on the event loop only."""
        self._threads: dict[str, ActorCell] = {}
        self._removals: set[asyncio.Task[None]] = set()
        self._meeting: asyncio.Task[None] | None = None

    @classmethod
    async def of(cls, worker: Worker) -> "PostOffice":
        """The post office of a worker, made when there is none. On its event loop."""
        office = worker.plugins.get(POST_OFFICE)
        if office is None:
            office = cls()
            await worker.plugin_add(office, name=POST_OFFICE, catch_errors=False)
        assert isinstance(office, PostOffice)
        return office

    def setup(self, worker: Worker) -> None:
        self.worker = worker
        self.address = worker.address
        self._here = self.address.startswith("inproc://")
        _offices[self.address] = self
        pool.capacity = config.nbytes("pool.capacity")
        worker.handlers[LINK_OP] = self._receive
        worker.handlers[HANDOVER_OP] = self._hand_over
        worker.metrics[TOPIC] = self._heartbeat_metrics
        WORKER_COLLECTOR.add(self)
        self._install_drain(worker)

    def _install_drain(self, worker: Worker) -> None:
        def tell(network: str, text: str) -> None:
            worker.log_event(TOPIC, {"network": network, "event": "leaving", "text": text})

        self.leaving = WorkerDrain(f"worker {worker.name} ({worker.address})", tell)
        worker.handlers[LEAVE_OP] = self._leave
        self._termination = SigtermHandler.of(worker, self.leaving.leave)
        if worker.nanny:
            self._meeting = asyncio.get_running_loop().create_task(install_nanny_plugin(worker))

    async def _leave(self) -> dict[str, str]:
        """The nanny is told to close. On the event loop."""
        await self.leaving.leave()
        return {"status": "OK"}

    async def _remove_drain(self) -> None:
        if self._termination is not None:
            self._termination.stop()
        if self._meeting is not None:
            self._meeting.cancel()
            await asyncio.gather(self._meeting, return_exceptions=True)
        await self.leaving.end()

    async def teardown(self, worker: Worker) -> None:
        await self._remove_drain()
        worker.handlers.pop(LEAVE_OP, None)
        worker.handlers.pop(LINK_OP, None)
        worker.handlers.pop(HANDOVER_OP, None)
        worker.metrics.pop(TOPIC, None)
        WORKER_COLLECTOR.remove(self)
        _offices.pop(self.address, None)
        for key in list(self._threads):
            self._threads[key].stop()
        limit = config.seconds("timeouts.close")
        for key in list(self._threads):
            await self.remove(key, limit)
        for link in list(self.links.values()):
            await link.close()
        self.links.clear()

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
        """Dask has let go of a key: if it is an actor, its thread and its claim end. On the event loop."""
        if start == "memory" and finish != "memory" and (key in self._threads or key in self.claims):
            task = asyncio.get_running_loop().create_task(self.remove(key, config.seconds("timeouts.close")))
            self._removals.add(task)
            task.add_done_callback(self._removals.discard)

    def claim(self, key: str, claim: Claim) -> None:
        """Let a gate take what it asks for, until it is removed. On the event loop.

        Whoever deployed it looked before, but another client may have come in between.

        Raises
        ------
        PlacementError
            when not enough is left: names those that have it.
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

    def add(self, key: str, thread: ActorCell, resident: ActorInfo | None = None) -> None:
        """Deliver what is addressed to `key` to this thread; the worker does not end before the `resident` may go."""
        self._threads[key] = thread
        if resident is not None:
            self.leaving.register(key, resident)

    async def remove(self, key: str, timeout: float) -> None:
        """Stop an actor's thread and wait for its end, at most `timeout` seconds. Knows no error for an unknown key."""
        thread = self._threads.get(key)
        if thread is None:
            self.claims.pop(key, None)
            return
        thread.stop()
        try:
            await thread.stopped(timeout)
        except TimeoutError:
            logger.warning("%s did not end within %s s: its thread is left to end when it can", key, timeout)
        self._threads.pop(key, None)
        self.claims.pop(key, None)
        self.leaving.unregister(key)
        if not self._threads:
            await self._close_links()

    async def _close_links(self) -> None:
        links, self.links = self.links, {}
        for link in links.values():
            await link.close()

    def send(self, to: Address, message: Message) -> None:
        """Deliver or post a message. Any thread; never blocks, never fails: what cannot be delivered is counted."""
        if to.worker == self.address:
            self._deliver(to.actor, message)
        elif self._here:
            office = _offices.get(to.worker)
            if office is not None:
                office._deliver(to.actor, message)
            else:
                self.dead_letters += 1
        else:
            self._link(to.worker).send(to.actor, message)

    def _link(self, peer: str) -> Link:
        link = self.links.get(peer)
        if link is None:
            link = self.links.setdefault(peer, Link(self.worker, peer))
        return link

    def _deliver(self, actor: str, message: Message) -> None:
        thread = self._threads.get(actor)
        if thread is None:
            self.dead_letters += 1
        else:
            thread.mailbox.put(message)

    async def _receive(self, comm: Comm, sender: str) -> Status:
        """The other end of a link: runs for as long as the connection lives. On the event loop."""
        unread = 0
        comm.allow_offload = False
        try:
            while True:
                letters = await comm.read()
                for envelope in letters if isinstance(letters, list | tuple) else [letters]:
                    unread += self._deliver_encoded(envelope, sender)
                if unread > _ACK:
                    await comm.write({"ack": unread})
                    unread = 0
        except OSError:
            logger.debug("link from %s ended", sender)
        return Status.dont_reply

    async def _hand_over(self, comm: Comm, actor: str) -> Any:
        """A gate that is here goes on elsewhere. On the event loop."""
        return await hand_over(self.worker, actor)

    def _deliver_encoded(self, envelope: Any, sender: str) -> int:
        try:
            message = decode(envelope["message"])
            self._deliver(envelope["to"], message)
        except (MessageError, KeyError, TypeError) as error:
            logger.warning("dropped what %s sent: %s", sender, error)
            self.dead_letters += 1
            return 0
        return nbytes(message)

    def figures(self) -> list[Metrics]:
        """What the actors of this worker did so far, as they told last. Any thread."""
        told = [thread.figures for thread in list(self._threads.values())]
        return [figures for figures in told if figures is not None]

    def _heartbeat_metrics(self, worker: Worker) -> dict[str, Any]:
        """What rides on the worker's heartbeat. On the event loop."""
        figures = self.figures()
        return {
            "gates": [one.as_dict() for one in figures if isinstance(one, GateMetrics)],
            "sentinels": [one.as_dict() for one in figures if isinstance(one, SentinelMetrics)],
            "links": [link.figures().as_dict() for link in list(self.links.values())],
            "at": time.monotonic(),
        }

    def statistics(self) -> list[LinkStatistics]:
        """All links at this moment."""
        return [link.statistics() for link in self.links.values()]
