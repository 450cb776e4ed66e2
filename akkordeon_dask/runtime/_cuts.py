"""Consistent cuts of a network: all gates' versions and all training sentinels' positions at one moment.

Versions are never changed, so an empty pipe is enough: every training sentinel draws no more, and when all batches are
back each gate keeps a reference to its version. Then drawing goes on, and what was kept is written beside it. Whatever
becomes of the client in the middle, sentinels go on by themselves after `snapshots.cut-deadline`.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from distributed import Client, Scheduler

from akkordeon_dask import config
from akkordeon_dask.errors import AkkordeonError, CheckpointError, DeadlineError
from akkordeon_dask.messages import HeldSentinel, network_of
from akkordeon_dask.runtime import _on_worker
from akkordeon_dask.runtime._cut_short import finished, together
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline
from akkordeon_dask.snapshots import Cut, cut_name

__all__ = ["CutNetwork", "TakenCut", "manifest"]


logger = logging.getLogger(__name__)

_NOTICE = 1.0
"""Seconds to tell sentinels that a cut is called off, and gates that one is complete: those that do not hear of it do
without."""


@dataclass(frozen=True, slots=True)
class TakenCut:
    """A cut whose parts the gates keep in memory."""

    cut: Cut
    seconds: float
    """For which drawing stood still: of the sentinel that waited longest."""


@dataclass(frozen=True, slots=True)
class CutNetwork:
    """The network that cuts are taken of, as it is now: with another gate it is another one. On the event loop."""

    client: Client
    name: str
    generation: int
    """Of its owner."""
    gates: tuple[tuple[str, str, str], ...]
    """Name, worker and key of each gate."""

    @classmethod
    def of(cls, session: Session) -> "CutNetwork":
        """The network of a session, with its present gates."""
        entry = session.entry
        gates = tuple((gate.name, gate.worker, str(gate.future.key)) for gate in session.gates)
        return cls(session.client, entry.name, entry.generation, gates)

    async def take(self, count: int = 0, *, go_on: bool = True) -> TakenCut:
        """Take a cut.

        Parameters
        ----------
        count
            of the cuts of this owner: parts of a cut with a lower one that is not complete are removed.
        go_on
            drawing goes on; else, where the network ends, only after `snapshots.cut-deadline`.

        Raises
        ------
        CheckpointError, DeadlineError
            when it was called off: a sentinel or a gate did not answer, or batches were still in flight, within
            `snapshots.cut-deadline`.
        """
        name, limit = cut_name(self.generation, count), config.seconds("snapshots.cut-deadline")
        workers = await self._workers()
        try:
            async with asyncio.timeout(limit):
                held = await self._hold(name, workers, limit)
                parts = await self._take_parts(name, held)
                seconds = await self._release(name, workers, held, go_on)
        except TimeoutError:
            await finished(self._let_go(name, workers))
            late = f"batches were in flight, or no answer came, for {limit:g} s"
            raise DeadlineError(f"{late}: raise akkordeon.snapshots.cut-deadline, or look at the workers") from None
        except BaseException:  # a cancelled caller, too
            await finished(self._let_go(name, workers))
            raise
        return TakenCut(manifest(name, held, parts), seconds)

    async def _hold(self, name: str, workers: list[str], limit: float) -> dict[str, HeldSentinel]:
        answers = await self._ask(_on_worker.hold_sentinels, workers, self.name, name, limit)
        return {one.actor: one for held in answers for one in held}

    async def _take_parts(self, name: str, held: dict[str, HeldSentinel]) -> dict[str, Any]:
        asked = [self._ask(_on_worker.take_parts, [one], gates, name, held) for one, gates in self._by_worker.items()]
        return {gate: part for (taken,) in await together(asked) for gate, part in taken.items()}

    async def _release(self, name: str, workers: list[str], held: dict[str, HeldSentinel], go_on: bool) -> float:
        """Let the sentinels go on; returns the seconds of the longest wait.

        Raises
        ------
        CheckpointError
            when other sentinels are there by now, or some went on before: then there is no cut.
        """
        answers = await self._ask(_on_worker.release_sentinels, workers, self.name, name, go_on)
        waited = {actor: seconds for answer in answers for actor, seconds in answer.items()}
        if waited.keys() != held.keys():
            raise CheckpointError("a training sentinel came or went meanwhile")
        early = [held[actor].name for actor, seconds in waited.items() if seconds is None]
        if early:
            raise CheckpointError(f"sentinel {', '.join(early)} went on before the end")
        return max((seconds for seconds in waited.values() if seconds is not None), default=0.0)

    async def _let_go(self, name: str, workers: list[str]) -> None:
        """Let the sentinels go on at once where a cut is called off; those that do not answer do so by themselves."""
        try:
            async with asyncio.timeout(_NOTICE):
                await self._ask(_on_worker.release_sentinels, workers, self.name, name, True)
        except Exception as error:
            logger.info("network %r: sentinels go on by themselves after cut %s: %r", self.name, name, error)

    async def write(self, taken: TakenCut, seconds: float, earlier: Mapping[str, Mapping[str, Any]]) -> None:
        """Have the parts of a cut written, in the writers' threads of the gates, and then its manifest.

        Parameters
        ----------
        seconds
            for each, at most.
        earlier
            positions of sentinels of the run that this one has resumed.

        Raises
        ------
        CheckpointError, DeadlineError
            when they are not: then there is no such cut.
        """
        name, found = taken.cut.name, self._by_worker.items()
        async with asyncio.timeout(seconds):
            asked = [self._ask(_on_worker.write_parts, [one], gates, name, seconds) for one, gates in found]
            await together(asked)
            _, worker, key = self.gates[0]
            await self._ask(_on_worker.finish_cut, [worker], key, taken.cut, self.generation, earlier)
        await self._note(taken.cut)

    async def _note(self, cut: Cut) -> None:
        """Tell the gates that a cut is complete: one that is not told writes a snapshot sooner than it must."""
        asked = [self._ask(_on_worker.note_cut, [one], gates, cut.numbers) for one, gates in self._by_worker.items()]
        try:
            async with asyncio.timeout(_NOTICE):
                await together(asked)
        except (AkkordeonError, OSError) as error:  # a TimeoutError is one
            logger.info("network %r: not all gates know that cut %s is complete: %r", self.name, cut.name, error)

    async def _workers(self) -> list[str]:
        """The addresses of all workers with actors of the network: any other may be stopped, that matters nothing."""
        async with scheduler_deadline(self.client, config.seconds("snapshots.cut-deadline")):
            found: list[str] = await self.client.run_on_scheduler(_holders, self.name)
        return found

    @property
    def _by_worker(self) -> dict[str, dict[str, str]]:
        """By worker, the names of its gates by key."""
        found: dict[str, dict[str, str]] = {}
        for name, worker, key in self.gates:
            found.setdefault(worker, {})[key] = name
        return found

    async def _ask(self, function: Callable[..., Any], workers: Iterable[str], *args: Any) -> list[Any]:
        """Run a function on workers; the answers of those that have this package.

        Raises
        ------
        CheckpointError
            when one does not answer.
        """

        async def ask(worker: str) -> Any:
            try:
                answers = await self.client.run(function, *args, workers=[worker], on_error="return")
            except (OSError, KeyError, ValueError) as error:
                raise CheckpointError(f"worker {worker} does not answer ({error!r})") from None
            answer = answers.get(worker)
            if isinstance(answer, AkkordeonError):
                raise answer
            if isinstance(answer, BaseException) and not isinstance(answer, ImportError):
                raise CheckpointError(f"worker {worker} answers {answer!r}")
            return answer

        found = await together(map(ask, workers))
        return [answer for answer in found if not isinstance(answer, ImportError)]


def _holders(network: str, dask_scheduler: Scheduler) -> list[str]:
    """On the scheduler: the workers that hold an actor of a network, or create it."""
    found: set[str] = set()
    for key, task in dask_scheduler.tasks.items():
        if task.actor and network_of(key) == network:
            found.update(worker.address for worker in task.who_has or ())
            if task.processing_on is not None:
                found.add(task.processing_on.address)
    return sorted(found)


def manifest(name: str, held: Mapping[str, HeldSentinel], parts: Mapping[str, Any]) -> Cut:
    """The manifest of what was taken."""
    lost: dict[str, dict[str, list[str]]] = {}
    for actor, one in held.items():
        for sequence in one.lost:
            applied = [gate for gate, (_, by_actor) in parts.items() if sequence in by_actor[actor]]
            lost.setdefault(one.name, {})[str(sequence)] = applied
    numbers = {gate: number for gate, (number, _) in parts.items()}
    return Cut(name, numbers, {one.name: one.position for one in held.values()}, lost)
