"""A running network, seen from a client: the parts that run on the client's event loop."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from distributed import Client, Future

from akkordeon_dask import config
from akkordeon_dask.errors import (
    AkkordeonError,
    ClosedError,
    DeadlineError,
    SpecError,
    TrainingError,
    WorkerLostError,
)
from akkordeon_dask.messages import Address, PassReport
from akkordeon_dask.network import Network, Sentinel
from akkordeon_dask.runtime._diary import Diary
from akkordeon_dask.runtime._recovery_policy import RecoveryPolicy
from akkordeon_dask.runtime.clients._passes import follow_passes
from akkordeon_dask.runtime.clients._sentinel_names import Claim, claim_name, key_base, key_token, release_name
from akkordeon_dask.runtime.clients._sentinels import Other
from akkordeon_dask.runtime.handles._gate import ForgottenKey, GateHandle
from akkordeon_dask.runtime.handles._sentinel import Attached, Lives
from akkordeon_dask.runtime.recovery._sentinels import drain_sentinel, make_sentinel, open_sentinel, restart_sentinel
from akkordeon_dask.snapshots import SnapshotPolicy

__all__ = ["Session"]

logger = logging.getLogger(__name__)

_PATIENCE, _BEAT = 10.0, 1.0  # seconds between two signs of life: for who only looks on, and at most for who mends


class Session:
    """The gates of a network, the sentinels that this client attached, and what became of them.

    All methods run on the client's event loop, and only it changes the state.
    """

    def __init__(self, client: Client, network: Network, name: str, generation: int, gates: list[GateHandle]) -> None:
        self.client, self.network, self.name, self.generation = client, network, name, generation
        self.gates = gates
        self.sentinels: dict[str, Attached] = {}
        self.diary = Diary()
        self.worker_names: dict[str, str] = {}
        """By address, of all workers that were ever seen: a worker that starts again has another address."""
        self.begun = time.time()
        """Seconds since 1970 when the network was deployed."""
        self.keeping: SnapshotPolicy | None = None
        """Where its snapshots are."""
        self.source: SnapshotPolicy | None = None
        """Where those are that it was resumed from."""
        self.resumes = False
        """This client has resumed it: so it does with sentinels."""
        self.mender: RecoveryPolicy | None = None
        """Makes lost gates anew, or waits until their owner has; None: a lost gate is an error."""
        self.evacuate: Callable[[GateHandle, Future[Any] | ForgottenKey], Awaitable[None]] | None = None
        """Moves a gate off a worker that is told to end, or says there why not; None: that is for the owner to do."""
        self.draining_workers: set[str] = set()
        """Addresses of workers that are told to end: nothing should go there."""
        self.error: AkkordeonError | None = None
        self.closed = False
        self.listeners: list[tuple[Callable[[PassReport], None], bool]] = []
        """Who hears of passes, and whether of those of this client's sentinels alone."""
        self.run = ""
        """Of the network: deployed anew under the same name, it has another."""
        self.shared = False
        """It is published: other clients may attach sentinels."""
        self.own_keys: set[str] = set()
        """What the keys of the sentinels begin with that this client ever attached."""
        self.others: list[Other] = []
        """Other clients' sentinels, as they were seen last while somebody waits."""
        self.introduced = False
        """Somebody who watches was told what network it is."""
        self._stop_listening: Callable[[], None] = lambda: None
        self._opening: set[Attached] = set()
        """Sentinels whose first batch is not there yet: no verb knows of them."""
        self._changed = asyncio.Event()
        self._watchers: list[asyncio.Task[None]] = []
        for gate in gates:
            self.supervise_task(self._watch(gate), gate.who)

    async def _watch(self, gate: GateHandle) -> None:
        """Learn at once when a gate's worker dies: a call that waits there then fails."""
        while True:
            await self._check_liveness(gate)

    async def _check_liveness(self, gate: GateHandle) -> None:
        """One sign of life; where there is none, and somebody to do so, the gate is made anew."""
        former, supervised = gate.future, self.mender is not None and self.mender.owner_restarts_gates
        patience = config.seconds("supervision.patience" if supervised else "timeouts.control")
        beat = min(_BEAT, patience / 4) if supervised else _PATIENCE
        moves = self.evacuate is not None
        lost: AkkordeonError
        try:
            async with asyncio.timeout(beat + patience):
                told = await gate.ask(
                    "wait_until_closed", beat, moves, not moves and gate.worker in self.draining_workers, more=beat
                )
        except (WorkerLostError, ClosedError) as error:
            lost = error
        except TimeoutError:  # a DeadlineError is one
            lost = DeadlineError(f"{gate.who} gave no sign of life for {patience:g} s: look at its worker")
        else:
            if told and gate.future is former:
                await self._leave_worker(gate, former)
            return
        if gate.future is not former:  # it was moved meanwhile
            return
        if self.mender is None:
            raise lost
        await self.mender.gate_lost(gate, former, lost)

    async def _leave_worker(self, gate: GateHandle, former: Future[Any] | ForgottenKey) -> None:
        self.draining_workers.add(gate.worker)
        if self.evacuate is not None:
            await self.evacuate(gate, former)

    def supervise_task(self, watch: Coroutine[Any, Any, None], who: str) -> None:
        """Let something run beside for as long as the session lives: what it raises is what is wrong with it."""

        async def guarded() -> None:
            try:
                await watch
            except AkkordeonError as error:
                self.error = error
            except Exception as error:
                logger.exception("watching %s", who)
                self.error = TrainingError(f"{who}: {error!r}")
            self._notify_waiters()

        self._watchers.append(asyncio.get_running_loop().create_task(guarded()))

    def _notify_waiters(self) -> None:
        """Something has changed: who waits for it looks again."""
        self._changed.set()

    def share(self) -> None:
        """The network is published: know what other clients' sentinels do. On the client's event loop, once."""
        self.shared = True
        self._stop_listening = follow_passes(self)

    def _report(self, report: PassReport) -> None:
        if report.mode == "predict":
            return
        self.diary.add(report)
        self.notify(report, mine=True)

    def notify(self, report: PassReport, *, mine: bool) -> None:
        """Tell the listeners of a pass, of this client's sentinels or another's."""
        for listener, mine_alone in list(self.listeners):
            if mine_alone and not mine:
                continue
            try:
                listener(report)
            except Exception:
                logger.exception("a listener failed on %s", report)

    def silence(self, entry: tuple[Callable[[PassReport], None], bool]) -> None:
        """Take a listener away; nothing where it is not there any more."""
        with contextlib.suppress(ValueError):
            self.listeners.remove(entry)

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

    async def attach(self, sentinel: Sentinel, resume: bool | None = None) -> Attached:
        """Make a sentinel's actor, where it asks to be or beside the first gate, and let it begin."""
        self.check()
        if resume and self.keeping is None:
            raise SpecError(f"network {self.name!r} keeps no snapshots, there is no position to resume: leave that out")
        claim = await claim_name(self, sentinel)
        self.own_keys.add(claim.base)
        # One that has been here goes on by itself where it was lost; attached again, it begins again.
        first = self.resumes and claim.name not in self.diary.sentinels
        try:
            return await self._make(sentinel, claim, first if resume is None else resume)
        except BaseException:
            self.own_keys.discard(claim.base)
            await release_name(self.client, claim.token)
            raise

    async def _make(self, sentinel: Sentinel, claim: Claim, resume: bool) -> Attached:
        name = claim.name
        life = await make_sentinel(self, sentinel, name, claim.base, resume=resume)
        lives: Lives = partial(restart_sentinel, self), partial(drain_sentinel, self)
        attached = Attached(sentinel, name, *life, changed=self._notify_waiters, report=self._report, lives=lives)
        self._opening.add(attached)
        try:
            self.check()
            await open_sentinel(self, attached)
            self.check()
        except BaseException:
            await self.detach(attached)
            raise
        finally:
            self._opening.discard(attached)
        self.sentinels[name] = attached
        self.diary.meet(name, sentinel)
        attached.watch()
        return attached

    def attached(self, which: Attached | str) -> Attached:
        """The sentinel of this name; one that has left stands for itself.

        Raises
        ------
        ClosedError
            when there is none of this name any more.
        SpecError
            when there is none, or another client attached it, or it works on another network.
        """
        if isinstance(which, str):
            if which in self.sentinels:
                return self.sentinels[which]
            if self.closed:
                self.check()
        elif which.state == "left" or self.sentinels.get(which.name) is which:
            return which
        there = ", ".join(map(repr, self.sentinels)) or "none"
        name = which if isinstance(which, str) else which.name
        raise SpecError(
            f"this client has no sentinel {name!r} on network {self.name!r}, only {there}: see who attached it"
        )

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where the gates are now."""
        return tuple(gate.address for gate in self.gates)

    async def detach(self, attached: Attached) -> None:
        """End a sentinel: its credits come home, the gates forget it."""
        if self.sentinels.get(attached.name) is attached:
            del self.sentinels[attached.name]
        key = attached.address.actor
        await attached.leave()
        await release_name(self.client, key_token(key))
        if attached.sentinel.mode == "predict":  # nobody hears of its pass, and there may be very many
            self.own_keys.discard(key_base(key))
        self._notify_waiters()

    async def wait_until(self, done: Callable[[], bool], timeout: float | None, own: Attached | None = None) -> None:
        """Wait until `done`, while the network is well.

        A sentinel that failed before the call, and of which somebody else was told, is no reason to stop.

        Parameters
        ----------
        own
            the sentinel that the caller detaches when it fails.

        Raises
        ------
        AkkordeonError
            what went wrong with a gate or a sentinel in the meantime.
        DeadlineError
            after `timeout` seconds.
        """
        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout
        known = {attached for attached in self.sentinels.values() if attached.told}
        while True:
            self._changed.clear()
            self.check()
            for attached in self.sentinels.values():
                if attached.error is not None and attached not in known:
                    raise attached.tell(remedy=attached is not own)
            if done():
                return
            try:
                async with asyncio.timeout_at(end):
                    await self._changed.wait()
            except TimeoutError:
                raise DeadlineError(f"not done after {timeout:g} s: {self._unfinished()}") from None

    def _unfinished(self) -> str:
        own = [one for one in self.sentinels.values() if not one.ended and one.sentinel.mode != "validate"]
        there = [*own, *(one for one in self.others if one.ends and one.works)]
        remedy = "wait longer, or detach them (wait(mine=True) leaves out those of other clients)"
        return f"{', '.join(map(repr, there))}: {remedy}" if there else "wait longer"

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
        try:
            await self._stop_watching()
            results = await asyncio.gather(*(gate.ask("close") for gate in self.gates), return_exceptions=True)
            for gate, result in zip(self.gates, results, strict=True):
                if isinstance(result, BaseException):
                    logger.info("closing %s: %s", gate.who, result)
        finally:
            for gate in self.gates:
                gate.release()

    async def leave(self) -> None:
        """Detach this client's sentinels and let go of the gates, which live on if the network is published."""
        self.closed = True
        self._stop_listening()
        there = [*self.sentinels.values(), *self._opening]
        results = await asyncio.gather(*map(self.detach, there), return_exceptions=True)
        for attached, result in zip(there, results, strict=True):
            if isinstance(result, BaseException):
                logger.error("detaching %s", attached.who, exc_info=result)
        await self._stop_watching()

    async def _stop_watching(self) -> None:
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
