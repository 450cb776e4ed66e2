"""A running network, seen from a client: its state on the client's event loop."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.actors import GateActor, is_large
from akkordeon_dask.data import ColumnNames
from akkordeon_dask.errors import (
    AkkordeonError,
    ClosedError,
    DeadlineError,
    SchedulerLostError,
    SpecError,
    TrainingError,
    WorkerLostError,
)
from akkordeon_dask.messages import Address, PassReport
from akkordeon_dask.network import Network
from akkordeon_dask.runtime._callbacks import CallbackQueue
from akkordeon_dask.runtime._cut_short import together
from akkordeon_dask.runtime._epochs import EpochValidations
from akkordeon_dask.runtime._history import FinishedPasses
from akkordeon_dask.runtime._recovery_policy import RecoveryPolicy
from akkordeon_dask.runtime._registry import NetworkEntry
from akkordeon_dask.runtime._scheduler_loss import SchedulerLoss
from akkordeon_dask.runtime.cluster._queries import check_scheduler, worker_answers
from akkordeon_dask.runtime.cluster._worker_calls import poll_seconds
from akkordeon_dask.runtime.handles._attached_handle import Attached
from akkordeon_dask.runtime.handles._gate import ForgottenKey, GateHandle, release_gates
from akkordeon_dask.runtime.handles._other_sentinel import OtherSentinel
from akkordeon_dask.runtime.handles._sentinel_names import release_name

__all__ = ["Session"]

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_POLL, _LAST_ANSWER = 10.0, 1.0
"""Seconds that a poll of a gate waits, and in which a worker that was silent answers a last question."""
_LARGE_CALLS = 16
"""Gates that are asked at one time where each takes a connection: see `actors.is_large`."""
_RECONNECTION = 5.0
"""Seconds that the end of a session waits for a broken connection to the scheduler."""


class Session:
    """The gates of a network, the sentinels that this client attached, and their state.

    All methods run on the client's event loop, and only it changes the state.

    Parameters
    ----------
    entry
        the facts about the network, as they are published or would be.
    policy
        makes the recovery policy of this session: `Supervisor`, `FailOnLoss` or `Follower`.
    published
        other clients may attach sentinels.
    resumed
        this client resumed the network from snapshots: so it does with sentinels.
    worker_names
        names of workers by address.
    """

    def __init__(
        self,
        client: Client,
        network: Network,
        entry: NetworkEntry,
        gates: list[GateHandle],
        policy: Callable[["Session"], RecoveryPolicy],
        *,
        published: bool,
        resumed: bool = False,
        worker_names: Mapping[str, str] | None = None,
    ) -> None:
        self.client, self.network, self.entry, self.gates = client, network, entry, gates
        self.published, self.resumed = published, resumed
        self.worker_names = dict(worker_names or {})
        """By address, of all workers that this client ever knew: a worker that restarts has another address."""
        self.draining_workers: set[str] = set()
        """Addresses of workers that shut down: no actor should go there."""
        self.sentinels: dict[str, Attached] = {}
        self.sentinel_specs: dict[str, str] = {}
        """The sentinels that this client ever attached, as they were written, by name."""
        self.ended_figures: dict[str, bool] = {}
        """Those of sentinels that have left, and whether greater ones are better: callbacks may still see them."""
        self.own_keys: set[str] = set()
        """Prefixes of the keys of their actors."""
        self.others: list[OtherSentinel] = []
        """Other clients' sentinels, as of the last poll of a `wait`."""
        self.passes = FinishedPasses()
        self.columns = ColumnNames()
        """Those that this client's sentinels have trained with: a new scheduler does not know them."""
        self.listeners: list[tuple[Callable[[PassReport], None], bool]] = []
        """Called with each pass, or where the flag says so only with those of this client's sentinels."""
        self.error: AkkordeonError | None = None
        self.closed = False
        self.cutting = asyncio.Lock()
        """Held while a consistent cut is taken: a sentinel waits for one at a time, the newest.

        And while all gates are changed, so that no cut has one gate of before and another one of after.
        """
        self._opening: set[Attached] = set()
        """Sentinels that wait for their first batch: no verb knows them yet."""
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.policy = policy(self)
        self.callbacks = CallbackQueue(self.notify_waiters)
        self.epochs = EpochValidations(self.sentinels, self._until, self.callbacks, self.notify_waiters)
        self.supervise_task(self.callbacks.run(), "callbacks")
        self.supervise_task(self.epochs.run(), "the validation of epochs")
        self.scheduler_loss = SchedulerLoss(client, entry, gates, published=published, found=self._follow_entry)
        self.supervise_task(self.scheduler_loss.watch(), "the scheduler")
        for gate in gates:
            self.supervise_task(self._watch(gate), gate.label)

    @property
    def name(self) -> str:
        """The network's name on the cluster."""
        return self.entry.name

    def _follow_entry(self, entry: NetworkEntry) -> None:
        self.entry = entry

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where the gates are now."""
        return tuple(gate.address for gate in self.gates)

    async def _watch(self, gate: GateHandle) -> None:
        while True:
            policy = self.policy
            try:
                await self._check_liveness(gate)
            except ClosedError:
                if policy is self.policy:  # else this client does not own the network any more, and follows its owner
                    raise

    async def _check_liveness(self, gate: GateHandle) -> None:
        """Check that a gate is alive, and whether its worker shuts down: then the recovery policy acts."""
        incarnation, policy = gate.future, self.policy
        patience = config.seconds("supervision.patience" if policy.restarts else "timeouts.control")
        silence = patience + (poll_seconds() if policy.restarts else _POLL)
        known = not policy.moves and gate.worker in self.draining_workers
        error: AkkordeonError
        if isinstance(incarnation, ForgottenKey) and self.scheduler_loss.error is not None:
            await policy.gate_lost(gate, incarnation, self.scheduler_loss.error)
            return
        try:
            leaving = await gate.watch_actor(_POLL, silence, GateActor.wait_until_closed, _POLL, policy.moves, known)
        except SchedulerLostError as lost:
            await self.scheduler_loss.survive(lost)
            return
        except (WorkerLostError, ClosedError) as lost:
            error = lost
        except TimeoutError:  # a DeadlineError is one
            try:
                await check_scheduler(self.client)
            except SchedulerLostError as silent:
                await self.scheduler_loss.survive(silent)
                return
            if await worker_answers(self.client, gate.worker, _LAST_ANSWER):
                return
            error = DeadlineError(f"{gate.label} gave no sign of life for {patience:g} s: look at its worker")
        else:
            if leaving and gate.future is incarnation:
                self.draining_workers.add(gate.worker)
                await policy.gate_leaving(gate, incarnation)
            return
        if gate.future is incarnation:  # else it was moved meanwhile
            await policy.gate_lost(gate, incarnation, error)

    def supervise_task(self, task: Coroutine[Any, Any, None], label: str) -> None:
        """Run a task for as long as the session lives: the error that it raises is that of the network."""

        async def supervised() -> None:
            try:
                await task
            except AkkordeonError as error:
                self.error = error
            except Exception as error:
                logger.exception("watching %s", label)
                self.error = TrainingError(f"{label}: {error!r}")
            self.notify_waiters()

        self._tasks.append(asyncio.get_running_loop().create_task(supervised()))

    def notify_waiters(self) -> None:
        """Let those that wait check again: something has changed."""
        self._changed.set()

    def add_pass(self, report: PassReport) -> None:
        """Add a finished pass of this client's sentinels."""
        if report.mode != "predict":
            self.passes.add(report)
            self.notify(report, mine=True)

    def notify(self, report: PassReport, *, mine: bool) -> None:
        """Notify callbacks and listeners of a pass, of this client's sentinels or another's."""
        self.callbacks.add_pass(report)
        self.epochs.add_pass(report)
        for listener, mine_alone in list(self.listeners):
            if mine_alone and not mine:
                continue
            try:
                listener(report)
            except BaseException:  # a SystemExit would end the client's event loop
                logger.exception("the listener %r failed on %s", listener, report)

    def silence(self, entry: tuple[Callable[[PassReport], None], bool]) -> None:
        """Remove a listener, if it is still there."""
        with contextlib.suppress(ValueError):
            self.listeners.remove(entry)

    def check(self) -> None:
        """Raise the error of the network, if it has one.

        Raises
        ------
        ClosedError, WorkerLostError, GateError, ...
        """
        if self.closed:
            where = "" if self.policy.moves else " for this client"
            again = "deploy it" if self.policy.moves else f"connect({self.name!r}, client)"
            raise ClosedError(f"network {self.name!r} is closed{where}: {again} again")
        if self.error is not None:
            raise self.error

    async def add(self, attached: Attached, start: Callable[[], Awaitable[None]]) -> None:
        """Start a sentinel and add it; no verb knows it before, and after an error it is detached."""
        self._opening.add(attached)
        try:
            self.check()
            await start()
            self.check()
        except BaseException:
            await self.detach(attached)
            raise
        finally:
            self._opening.discard(attached)
        self.sentinels[attached.name] = attached
        if attached.sentinel.mode != "predict":
            self.sentinel_specs[attached.name] = repr(attached.sentinel)
        attached.watch()

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
        raise self._unknown(which if isinstance(which, str) else which.name)

    def require_own(self, attached: Attached) -> None:
        """Check that this client attached it to this network: nobody tells here of another one's end.

        Raises
        ------
        SpecError
            when it did not.
        """
        if attached.reservation.base not in self.own_keys:
            raise self._unknown(attached.name)

    def _unknown(self, name: str) -> SpecError:
        known = ", ".join(map(repr, self.sentinels)) or "none"
        return SpecError(
            f"this client has no sentinel {name!r} on network {self.name!r}, only {known}: see who attached it"
        )

    async def detach(self, attached: Attached, *, reachable: bool = True) -> None:
        """End a sentinel: its credits return, the gates drop it, its name is free.

        Where the scheduler is not `reachable` only this client forgets it: nobody else can be told.
        """
        if self.sentinels.get(attached.name) is attached:
            del self.sentinels[attached.name]
            if attached.sentinel.mode != "predict":
                figures = attached.sentinel.figures.items()
                self.ended_figures |= {f"{attached.name}.{figure}": greater for figure, greater in figures}
        await attached.leave(reachable=reachable)
        if reachable:
            await release_name(self.client, attached.reservation.token)
        if attached.sentinel.mode == "predict":  # its pass is not reported, and there may be very many
            self.own_keys.discard(attached.reservation.base)
        self.notify_waiters()

    async def wait_until(self, done: Callable[[], bool], timeout: float | None, own: Attached | None = None) -> None:
        """Wait until `done`, while the network is well.

        A sentinel whose error another call has raised before does not end the wait.

        Parameters
        ----------
        own
            the sentinel that the caller detaches when it fails.

        Raises
        ------
        AkkordeonError
            the error of a gate or a sentinel in the meantime.
        DeadlineError
            after `timeout` seconds.
        """
        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout
        known = {attached for attached in self.sentinels.values() if attached.error_raised}
        while True:
            self._changed.clear()
            self.check()
            for attached in self.sentinels.values():
                if attached.error is not None and attached not in known:
                    raise attached.error_to_raise(remedy=attached is not own)
            if done():
                return
            try:
                async with asyncio.timeout_at(end):
                    await self._changed.wait()
            except TimeoutError:
                raise DeadlineError(f"not done after {timeout:g} s: {self._unfinished()}") from None

    async def _until(self, done: Callable[[], bool]) -> None:
        """Wait until `done`, whatever fails meanwhile: for the tasks of the session, which its end cancels."""
        while not done():
            self._changed.clear()
            await self._changed.wait()

    def _unfinished(self) -> str:
        own = [one for one in self.sentinels.values() if not one.ended and one.sentinel.mode != "validate"]
        unfinished = [*own, *(one for one in self.others if one.ends and one.works)]
        paused = "resume those that are paused, " if any(one.state == "paused" for one in own) else ""
        remedy = f"{paused}wait longer, or detach them (wait(mine=True) leaves out those of other clients)"
        return f"{', '.join(map(repr, unfinished))}: {remedy}" if unfinished else "wait longer"

    async def on_gates(
        self, method: Callable[Concatenate[GateActor, P], Awaitable[T]], *args: P.args, **options: P.kwargs
    ) -> dict[str, T]:
        """Call a method of all gates; the answers by gate.

        Gates that another client closed still have their parameters, and refuse the rest themselves.
        """
        if self.closed or not isinstance(self.error, ClosedError):
            self.check()
        at_once = asyncio.Semaphore(_LARGE_CALLS if is_large(method) else len(self.gates))

        async def ask(gate: GateHandle) -> T:
            async with at_once:
                return await gate.ask(method, *args, **options)

        answers = await together(map(ask, self.gates))
        return dict(zip([gate.name for gate in self.gates], answers, strict=True))

    async def close_gates(self) -> None:
        """End all gates and release them; no error for those that are gone already."""
        try:
            results = await asyncio.gather(*(gate.ask(GateActor.close) for gate in self.gates), return_exceptions=True)
            for gate, result in zip(self.gates, results, strict=True):
                if isinstance(result, BaseException):
                    logger.info("closing %s: %s", gate.label, result)
        finally:
            release_gates(self.gates)

    async def leave(self) -> bool:
        """Detach this client's sentinels and end all tasks of the session; returns whether the scheduler answers."""
        self.closed = True
        reachable = await self.scheduler_loss.reachable(_RECONNECTION)
        attached = [*self.sentinels.values(), *self._opening]
        results = await asyncio.gather(
            *(self.detach(one, reachable=reachable) for one in attached), return_exceptions=True
        )
        for one, result in zip(attached, results, strict=True):
            if isinstance(result, BaseException):
                logger.error("detaching %s", one.label, exc_info=result)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return reachable
