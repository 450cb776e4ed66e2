"""A scheduler that is gone, or silent: a session waits for it, says so, and finds its gates again."""

import asyncio
import logging
import shlex
from collections.abc import Callable, Sequence

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.errors import ClosedError, DeadlineError, SchedulerLostError
from akkordeon_dask.runtime._registry import NetworkEntry, get, try_connect_gates
from akkordeon_dask.runtime.cluster._queries import check_scheduler, keep_awake
from akkordeon_dask.runtime.handles._gate import ForgottenKey, GateHandle

__all__ = ["SchedulerLoss", "closed_client"]

logger = logging.getLogger(__name__)

_BRIEF, _WATCH, _AGAIN = 20.0, 5.0, 0.25
"""Seconds to wait for a broken connection of a network that cannot be resumed, and between two questions while the
scheduler answers and while it does not."""


class SchedulerLoss:
    """Of one session. On its client's event loop.

    Parameters
    ----------
    entry
        the facts about the network.
    gates
        the session's; those that the scheduler has forgotten get a `ForgottenKey`.
    published
        the gates may have outlived the connection of this client.
    found
        called with the entry that is published now, when gates were found again: they may have another generation.
    """

    def __init__(
        self,
        client: Client,
        entry: NetworkEntry,
        gates: Sequence[GateHandle],
        *,
        published: bool,
        found: Callable[[NetworkEntry], None],
    ) -> None:
        self._client, self._entry, self._gates, self._published = client, entry, gates, published
        self._found = found
        self.error: SchedulerLostError | None = None
        """The last loss of a connection, which took futures of this client with it."""
        self.ended: SchedulerLostError | None = None
        """It was waited for in vain."""
        self.reconnected: list[Callable[[], object]] = []
        """Called when the client has a new connection, on which it has not subscribed to anything yet."""
        self._lock = asyncio.Lock()

    async def watch(self) -> None:
        """Ask every 5 s whether the scheduler answers: a gate's silence takes longer. Runs until it is cancelled.

        So a scheduler with an `--idle-timeout`, which counts tasks only, knows that a client lives.

        Raises
        ------
        SchedulerLostError
            when it was waited for in vain.
        """
        while True:
            await asyncio.sleep(_WATCH)
            try:
                await check_scheduler(self._client)
                await keep_awake(self._client)
            except SchedulerLostError as error:
                await self.survive(error)

    async def survive(self, error: SchedulerLostError) -> None:
        """Return when the scheduler answers again, and it is known which gates are still there.

        Raises
        ------
        SchedulerLostError
            when it does not answer within `supervision.scheduler`; sooner where the connection is broken and the
            network keeps no snapshots, or where Dask's client gives up.
        ClosedError
            when this program has closed the client.
        """
        async with self._lock:
            if self.ended is not None:
                raise self.ended
            # By this program: while Dask gives a scheduler up, it is waited for.
            if self._client.status in ("closing", "closed"):
                raise closed_client(self._entry.name)
            await self._wait(error)
            if any(_cancelled(gate) for gate in self._gates):
                await self._find_again(error)
                for call in self.reconnected:
                    call()

    async def _find_again(self, error: SchedulerLostError) -> None:
        """Find the gates on a scheduler that is back, and may go again meanwhile."""
        loop = asyncio.get_running_loop()
        end = loop.time() + config.seconds("supervision.scheduler")
        while True:
            self.error = SchedulerLostError(self._text(error, "has lost its gates"))
            try:
                return await self._find_gates()
            except (OSError, DeadlineError) as again:
                if loop.time() > end:
                    self.ended = SchedulerLostError(self._text(error, f"does not find its gates ({again})"))
                    raise self.ended from again
                logger.info("the gates of network %r are not found yet: %r", self._entry.name, again)
            await asyncio.sleep(_AGAIN)
            await self._wait(error)

    async def was_lost(self, error: Exception) -> bool:
        """Whether an error comes from the loss of the scheduler, which is back by now.

        Raises
        ------
        SchedulerLostError
            when it is not: see `survive`.
        """
        try:
            await check_scheduler(self._client)
        except SchedulerLostError as lost:
            await self.survive(lost)
            return True
        return isinstance(error, SchedulerLostError)

    async def reachable(self, patience: float) -> bool:
        """Whether the scheduler answers within some seconds, in which a broken connection may come back."""
        if self.ended is not None:
            return False
        end, asked = asyncio.get_running_loop().time() + patience, 0
        while True:
            asked += 1
            try:
                await check_scheduler(self._client)
            except SchedulerLostError:
                late = asyncio.get_running_loop().time() > end and asked > 1  # one question may take all of the time
                if self._client.status == "closed" or late:
                    return False
                await asyncio.sleep(_AGAIN)
            else:
                return True

    async def _wait(self, error: SchedulerLostError) -> None:
        loop, announced = asyncio.get_running_loop(), False
        begun = loop.time()
        while True:
            try:
                await check_scheduler(self._client)
            except SchedulerLostError as lost:
                resumes = self._entry.snapshots is not None or self._client.status == "running"
                limit = config.seconds("supervision.scheduler") if resumes else _BRIEF
                if self._client.status == "closed" or loop.time() - begun > limit:
                    self.ended = SchedulerLostError(self._text(error, "has ended here"))
                    raise self.ended from lost
                # By then the client knows whether its connection is broken: the error comes soon then, and says all.
                if resumes and not announced and loop.time() - begun >= _AGAIN:
                    logger.warning("%s", self._text(lost, f"waits for it up to {limit:g} s"))
                    announced = True
                await asyncio.sleep(_AGAIN)
            else:
                return

    def _text(self, error: SchedulerLostError, state: str) -> str:
        name, snapshots = self._entry.name, self._entry.snapshots
        what = str(error).partition(": network ")[0]
        if snapshots is None:
            saved = (
                "It keeps no snapshots, nothing was saved: where it does not go on by itself, start the scheduler "
                f"and workers, then deploy it again, after `dask akkordeon stop {shlex.quote(name)}` where it is still "
                "listed"
            )
        else:
            saved = (
                f"Its snapshots are in {snapshots.url}: where it does not go on by itself, start the scheduler and "
                f"workers, then deploy(..., resume={snapshots.url!r}) or `dask akkordeon network ... --resume "
                f"{shlex.quote(snapshots.url)}` resumes it"
            )
        return f"{what}: network {name!r} {state}. {saved}"

    async def _find_gates(self) -> None:
        """Connect to the gates that the published name has kept, and forget the others."""
        entry = await get(self._client, self._entry.name) if self._published else None
        found: dict[str, GateHandle] = {}
        if entry is not None and entry.run == self._entry.run:
            found = {gate.name: gate for gate in (await try_connect_gates(self._client, entry))[0]}
            self._found(entry)
        for gate in self._gates:
            fresh = found.get(gate.name)
            if fresh is None or isinstance(fresh.future, ForgottenKey):
                gate.forget()
            else:
                gate.replace_actor(fresh)


def closed_client(name: str) -> ClosedError:
    """The error of a network whose client was closed."""
    return ClosedError(f"the client of network {name!r} is closed: deploy or connect with another one")


def _cancelled(gate: GateHandle) -> bool:
    return not isinstance(gate.future, ForgottenKey) and gate.future.status == "cancelled"
