"""The owner of a network: it supervises it and ends it."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.actors import GateActor, allow_retirement
from akkordeon_dask.errors import CheckpointError, ClosedError
from akkordeon_dask.network import Network
from akkordeon_dask.runtime._arguments import check_client, check_name
from akkordeon_dask.runtime._events import log_event
from akkordeon_dask.runtime._exit import close_at_exit
from akkordeon_dask.runtime._lease import release, take
from akkordeon_dask.runtime._registry import (
    NetworkEntry,
    connect_gates,
    forget,
    get,
    publish,
    require,
    try_connect_gates,
    unpublish,
)
from akkordeon_dask.runtime._running import Running
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime._sync import verb
from akkordeon_dask.runtime.clients._owner_requests import OwnerRequests, request_name
from akkordeon_dask.runtime.clients._passes import fetch_passes, follow_passes
from akkordeon_dask.runtime.cluster._embedded import EmbeddedCluster
from akkordeon_dask.runtime.cluster._workers import list_workers
from akkordeon_dask.runtime.handles._gate import GateHandle, release_gates
from akkordeon_dask.runtime.recovery._cut_schedule import CutSchedule, snapshot
from akkordeon_dask.runtime.recovery._follower import Follower
from akkordeon_dask.runtime.recovery._hanging_gates import restart_hanging_gates
from akkordeon_dask.runtime.recovery._migration import drain, move, rebalance
from akkordeon_dask.runtime.recovery._owner_policy import OwnerPolicy
from akkordeon_dask.runtime.recovery._supervisor import FailOnLoss, Supervisor
from akkordeon_dask.snapshots import Lease

__all__ = ["Ownership", "adopt", "take_ownership"]

logger = logging.getLogger(__name__)

_RECONNECTION = 5.0
"""Seconds that the end of a network waits for a broken connection to the scheduler."""
_ACTIONS = (move, drain, rebalance, snapshot)
"""Other clients may request these of an owner."""


class Ownership:
    """The tasks and subscriptions of an owner, until it releases or ends the network."""

    def __init__(
        self, session: Session, positions: Mapping[str, Mapping[str, Any]] | None = None, lease: Lease | None = None
    ) -> None:
        assert isinstance(session.policy, OwnerPolicy)
        self.session, self.policy = session, session.policy
        self.policy.lease = self._lease = lease
        self._reachable = True
        """The scheduler answered when the session ended."""
        verbs = {action.__name__: partial(action, self.policy) for action in _ACTIONS}
        self._requests = OwnerRequests(session, verbs if session.published else {"publish": self._publish})
        self._label = f"the owner of network {session.name!r}"
        self.policy.superseded = self._follow
        if self.policy.restarts:
            self._supervise(self.policy.rewiring.retry_pending())
        if isinstance(self.policy, Supervisor) and config.flag("supervision.stuck-restart"):
            self._supervise(restart_hanging_gates(self.policy))
        snapshots = session.entry.snapshots
        self._cuts = CutSchedule(self.policy, snapshots, positions) if snapshots is not None else None
        self.policy.keep_cut = None if self._cuts is None else self._cuts.keep
        if session.published:
            self._supervise(self.policy.watch_lease())
        if session.published or snapshots is not None:
            self._requests.listen()
            session.scheduler_loss.reconnected.append(self._requests.listen)
            self.policy.renewed.append(self._requests.listen)
        for calls in (session.scheduler_loss.reconnected, self.policy.renewed):
            calls.append(self._allow_retirement_again)
        self._unfollow = follow_passes(session) if session.published else None

    def _allow_retirement_again(self) -> None:
        """Tell a scheduler that was started again; another owner tells it himself."""
        session = self.session
        if self._follows:
            return
        session.supervise_task(
            _allow_retirement(session.client, session.entry, published=session.published), self._label
        )

    async def _publish(self) -> None:
        """Publish a network without a name by its label: the client that asked is about to adopt it."""
        session = self.session
        if not session.published:
            await publish(session.client, session.entry, session.network, session.gates)
            session.published = True
            self._supervise(self.policy.watch_lease())

    async def take_cuts(self, *, fresh: bool) -> None:
        """Take consistent cuts from now on, where the network keeps snapshots; of a `fresh` one, before it trains."""
        if self._cuts is not None:
            if fresh:
                await self._cuts.begin()
            self.session.supervise_task(self._cuts.run(), f"cuts of network {self.session.name!r}")

    def _supervise(self, task: Coroutine[Any, Any, None]) -> None:
        async def owning() -> None:
            try:
                await task
            except ClosedError:
                if not self._follows:
                    raise

        self.session.supervise_task(owning(), self._label)

    @property
    def _follows(self) -> bool:
        """Another owner has resumed the network, and this client follows it."""
        return self.session.policy is not self.policy

    def _follow(self) -> None:
        """From now on another owner has the network."""
        self.session.policy = Follower(self.session)
        self.session.supervise_task(self._requests.close(), self._label)

    async def _is_lost(self) -> bool:
        """The network is not this client's to end."""
        session = self.session
        return session.published and (
            self._follows or await _lost_ownership(session.client, session.name, self.policy.ownership)
        )

    def running(self, embedded: EmbeddedCluster | None = None) -> Running:
        """The network as its user sees it; with the embedded cluster that it ends."""
        running = Running(self.session, self.end, embedded)
        close_at_exit(running)
        return running

    async def leave(self) -> None:
        """Detach this client's sentinels and end all tasks and subscriptions."""
        await self._requests.close()
        if self._unfollow is not None:
            self._unfollow()
        self._reachable = await self.session.leave()

    async def end(self, *, last_cut: bool = True) -> None:
        """End the network, unless another client owns it by now; with a `last_cut` where it keeps snapshots."""
        try:
            await self._end(last_cut=last_cut)
        finally:
            await release(self._lease)

    async def _end(self, *, last_cut: bool) -> None:
        session, client = self.session, self.session.client
        reachable = await session.scheduler_loss.reachable(_RECONNECTION)
        owned = reachable and not await self._is_lost()
        cuts = self._cuts if owned and last_cut else None
        if cuts is not None:
            await cuts.take_last()
        await self.leave()
        if not self._reachable:
            release_gates(session.gates)
            if session.published and session.scheduler_loss.ended is None:  # else that error says so
                logger.warning(
                    "network %r was not ended, for the scheduler does not answer: end it by `dask akkordeon stop %s` "
                    "when it does, if it is still there",
                    session.name,
                    session.name,
                )
            return
        if cuts is not None:
            await cuts.write_last()
        if await self._is_lost():
            release_gates(session.gates)
            return
        if session.published:
            await unpublish(client, session.name, [gate.address.actor for gate in session.gates])
        await session.close_gates()
        await log_event(client, session.name, "closed")
        await forget(client, session.entry.run)


async def take_ownership(
    client: Client,
    network: Network,
    entry: NetworkEntry,
    gates: list[GateHandle],
    *,
    published: bool,
    resumed: bool = False,
    positions: Mapping[str, Mapping[str, Any]] | None = None,
    lease: Lease | None = None,
) -> Ownership:
    """Own a network whose gates are there; it is supervised where it keeps snapshots.

    Parameters
    ----------
    positions
        of the sentinels of the run that it has resumed.
    lease
        on the URL of its snapshots; it is released when the network ends.
    """
    supervised = entry.snapshots is not None
    names = {worker.address: worker.name for worker in await list_workers(client)} if supervised else {}
    await _allow_retirement(client, entry, published=published)
    # From here on nothing waits: a session that was cut off from its ownership would watch over gates that nobody ends.
    session = Session(
        client,
        network,
        entry,
        gates,
        Supervisor if supervised else FailOnLoss,
        published=published,
        resumed=resumed,
        worker_names=names,
    )
    return Ownership(session, positions, lease)


async def _allow_retirement(client: Client, entry: NetworkEntry, *, published: bool) -> None:
    """No error where the scheduler lacks this package: then Dask's refusal stands."""
    try:
        async with asyncio.timeout(config.seconds("timeouts.connect")):
            await client.run_on_scheduler(allow_retirement, entry.run, "" if published else client.id)
    except Exception as error:
        logger.info("workers with gates of network %r cannot be retired: %r", entry.name, error)


async def _lost_ownership(client: Client, name: str, ownership: str) -> bool:
    """Another owner has taken the network over: it is not this one's to end."""
    try:
        async with asyncio.timeout(config.seconds("timeouts.connect")):
            now = await get(client, name)
    except OSError:  # no scheduler: no other owner; a TimeoutError is one
        return False
    return now is not None and now.ownership != ownership


async def _require_all_gates(client: Client, entry: NetworkEntry) -> list[GateHandle]:
    """The gates of a network that keeps no snapshots: it is taken over only where none is lost."""
    gates = await connect_gates(client, entry)
    try:
        for gate in gates:
            await gate.ask(GateActor.statistics)
    except BaseException:
        release_gates(gates)
        raise
    return gates


@verb
def adopt(name: str, client: Client) -> Awaitable[Running]:
    """Take over a network that another client deployed under this name: its owner is gone, or is to be replaced.

    One with snapshots and without a name has the name that `Running.name` says, and is published by it from then on.

    Gates that were lost meanwhile are restarted from their snapshots. The former owner, if it is still alive, finds
    that it does not own the network any more, and neither moves, restarts nor ends anything.

    Raises
    ------
    DeploymentError
        when there is no network of this name.
    DeploymentError, WorkerLostError
        when it has lost a gate and keeps no snapshots; nothing has changed then.
    TrainingError
        when a gate is lost and cannot be restarted.

    Examples
    --------
    >>> from akkordeon_dask import Gate, adopt, deploy, nn, optim
    >>> with deploy(Gate(nn.Linear(4, 2), optim.SGD(0.1)), name="digits") as running:
    ...     with adopt("digits", running.client) as adopted:
    ...         adopted.owner
    True
    """
    config.check()
    return _adopt(check_name("a network's name", name), check_client(client))


async def _adopt(name: str, client: Client) -> Running:
    if await get(client, name) is None:
        await request_name(client, name)
    former = await require(client, name)
    network = former.network
    lost: list[GateHandle] = []
    if former.snapshots is None:
        gates = await _require_all_gates(client, former)
    else:
        gates, lost = await try_connect_gates(client, former)
    incarnations = {gate: gate.future for gate in lost}
    entry = replace(former, owner=client.id, ownership=uuid.uuid4().hex, generation=former.generation + 1)
    # From here on the former owner is fenced off: it checks its lease before it does anything.
    try:
        await publish(client, entry, network, gates, again=True)
    except BaseException:
        release_gates(gates)
        raise
    ownership: Ownership | None = None
    lease: Lease | None = None
    try:
        lease = await _take_over_lease(client, entry)
        ownership = await take_ownership(client, network, entry, gates, published=True, lease=lease)
        await fetch_passes(ownership.session)
        await ownership.policy.take_over(incarnations)
        await ownership.take_cuts(fresh=False)
        await log_event(client, name, "adopted", text=f"by client {client.id}, generation {entry.generation}")
    except BaseException:
        if ownership is not None:
            await ownership.leave()
        release_gates(gates)
        await release(lease)
        raise
    return ownership.running()


async def _take_over_lease(client: Client, entry: NetworkEntry) -> Lease | None:
    """The lease of a network that is adopted; None where this client cannot write there, which is no error."""
    try:
        return await take(client, entry, take_over=True)
    except (CheckpointError, OSError) as error:
        logger.info("network %r is adopted without the lease of its snapshots: %s", entry.name, error)
        return None
