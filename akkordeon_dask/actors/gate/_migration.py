"""The migration of a gate to another worker: its state is handed over piece by piece, from worker to worker."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from distributed import Worker
from distributed.comm import Comm
from distributed.protocol import to_serialize

from akkordeon_dask import config
from akkordeon_dask._pieces import SLOWEST, Leaf, Piece, Span, Spans, nbytes_of, spans, write_piece
from akkordeon_dask.actors._offload import offload
from akkordeon_dask.actors.gate._behavior import GateBehavior
from akkordeon_dask.actors.gate._state import GateState, Version
from akkordeon_dask.actors.gate._transfers import GateTransfers
from akkordeon_dask.errors import AkkordeonError, ClosedError, WorkerLostError
from akkordeon_dask.memory import empty
from akkordeon_dask.messages import Address
from akkordeon_dask.tree import Array, Tree, paths, rebuild

__all__ = ["HANDOVER_OP", "Migration", "handover_handler"]

HANDOVER_OP = "akkordeon_handover"
"""The name of the handler by which the next incarnation of a gate calls the former one's `Migration`."""
_STREAMS = 3
"""Pieces that are requested at a time: one travels while another is written."""


class Outline(NamedTuple):
    """A gate's state without its numbers."""

    state: GateState
    """With empty arrays."""
    leaves: tuple[Leaf, ...]
    """Of the arrays, in the order of `tree.paths`."""
    known: frozenset[str]
    """The paths of those that have not changed since they were handed out before."""


class Migration:
    """The migration of one gate, on either side. On the event loop.

    Parameters
    ----------
    worker
        the gate's.
    call
        runs a function in a turn of the gate.
    transfers
        the gate's.
    """

    def __init__(
        self,
        behavior: GateBehavior,
        worker: Worker,
        call: Callable[[Callable[[], Any]], Awaitable[Any]],
        transfers: GateTransfers,
    ) -> None:
        self._behavior, self._worker, self._call, self._transfers = behavior, worker, call, transfers
        self._token = ""
        """Of what is handed out to the next incarnation."""

    # The next incarnation

    async def import_from(self, former: Address, *, ahead: bool) -> float:
        """Continue where the gate's incarnation on another worker stops. Before the gate opens.

        Returns the seconds since that one has stopped.

        Parameters
        ----------
        ahead
            take over its arrays while it still works, and when it has stopped those that have changed since.

        Raises
        ------
        ClosedError
            when there is no such gate.
        WorkerLostError
            when its worker does not answer.
        CheckpointError
            when a piece arrives damaged.
        """
        source = _Former(self._worker, former)
        arrays: dict[str, Array] = {}
        if ahead:
            outline = await source.ask("hold")
            arrays = _arrays_for(outline.leaves, arrays)
            await source.read(outline.leaves, arrays)
        outline = await source.ask("export")
        begun = time.monotonic()
        known = {path: arrays[path] for path in outline.known}
        arrays = _arrays_for(outline.leaves, arrays)
        await source.read((leaf for leaf in outline.leaves if leaf.path not in known), arrays)
        version = _with_arrays(outline.state.version, iter(arrays.values()))
        await offload(self._behavior.import_state, outline.state._replace(version=version))
        return time.monotonic() - begun

    # The former incarnation

    async def hold(self, token: str) -> Outline:
        """Hand out the present state, and go on."""
        state = GateState(self._behavior.versions.present, {})
        return self._outline(token, state, frozenset())

    async def export(self, token: str) -> Outline:
        """Stop this incarnation, and hand out its state to the next one."""
        before = dict(paths(self._transfers.held(token)))
        state: GateState = await self._call(self._behavior.export_state)
        known = (path for path, array in paths(_tree_of(state.version)) if before.get(path) is array)
        return self._outline(token, state, frozenset(known))

    def _outline(self, token: str, state: GateState, known: frozenset[str]) -> Outline:
        self._token, tree = token, _tree_of(state.version)
        leaves = self._transfers.hold(token, tree)
        nothing = (np.empty(0, leaf.dtype) for leaf in leaves)
        return Outline(state._replace(version=_with_arrays(state.version, nothing)), leaves, known)

    async def read(self, token: str, wanted: Spans) -> Piece:
        """A piece of the state."""
        return await self._transfers.read(token, wanted)

    async def cancel(self) -> None:
        """Continue with this incarnation."""
        self.release()
        await self._call(self._behavior.resume)

    def release(self) -> None:
        """Hand nothing out any more."""
        self._transfers.release(self._token)


def _tree_of(version: Version) -> Tree:
    tree = {"params": version.params, "slots": version.state.slots}
    sums = version.accumulation
    return tree if sums is None else tree | {"sums": sums.grads, "stale": sums.stale}


def _with_arrays(version: Version, arrays: Iterator[Array]) -> Version:
    """The version with other arrays, in the order of the tree's."""
    params = rebuild(version.params, arrays)
    state = replace(version.state, slots=rebuild(version.state.slots, arrays))
    sums = version.accumulation
    if sums is not None:
        sums = sums._replace(grads=rebuild(sums.grads, arrays), stale=rebuild(sums.stale, arrays))
    return version._replace(params=params, state=state, accumulation=sums)


def _arrays_for(leaves: Iterable[Leaf], before: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays for leaves, by path; those from before where they fit."""
    found: dict[str, Array] = {}
    for leaf in leaves:
        array = before.get(leaf.path)
        if array is None or Leaf(leaf.path, array.shape, array.dtype.str) != leaf:
            array = empty(leaf.shape, leaf.dtype)
        found[leaf.path] = array
    return found


class _Former:
    """The former incarnation of a gate, seen from the worker of the next one."""

    def __init__(self, worker: Worker, address: Address) -> None:
        self._worker, self._address, self._token = worker, address, uuid.uuid4().hex

    async def read(self, leaves: Iterable[Leaf], arrays: Mapping[str, Array]) -> None:
        """Read all leaves into arrays, several pieces at a time."""
        flat = {path: array.reshape(-1).view(np.uint8) for path, array in arrays.items()}
        pieces = spans(leaves)
        streams = [asyncio.ensure_future(self._stream(pieces, flat)) for _ in range(_STREAMS)]
        try:
            await asyncio.gather(*streams)
        finally:
            for stream in streams:
                stream.cancel()
            await asyncio.gather(*streams, return_exceptions=True)

    async def _stream(self, pieces: Iterator[Spans], flat: Mapping[str, Array]) -> None:
        for wanted in pieces:
            piece = await self.ask("read", wanted)
            await offload(write_piece, flat, wanted, piece)

    async def ask(self, step: str, wanted: Spans = ()) -> Any:
        """Call the former incarnation's `Migration`."""
        where = self._address
        if where.worker == self._worker.address:
            return await _call_step(self._worker, where.actor, step, self._token, wanted)
        try:
            async with asyncio.timeout(config.seconds("timeouts.control") + nbytes_of(wanted) / SLOWEST):
                call = getattr(self._worker.rpc(where.worker), HANDOVER_OP)
                answer = await call(actor=where.actor, step=step, token=self._token, wanted=wanted)
        except OSError as error:  # a TimeoutError is one
            raise WorkerLostError(
                f"{where.actor} on {where.worker} did not export its state ({error!r}): look at that worker's log"
            ) from None
        answer = getattr(answer, "data", answer)
        if not isinstance(answer, Outline | Piece):
            raise ClosedError(f"{where.actor} is not on {where.worker} (any more): {answer!r}")
        return answer


def handover_handler(worker: Worker) -> Callable[..., Awaitable[object]]:
    """The handler of `HANDOVER_OP`. On the event loop."""

    async def answer_step(
        comm: Comm, actor: str, step: str, token: str, wanted: Iterable[tuple[str, int, int]]
    ) -> object:
        try:
            return to_serialize(await _call_step(worker, actor, step, token, tuple(Span(*span) for span in wanted)))
        except AkkordeonError as error:
            return {"refused": str(error)}

    return answer_step


async def _call_step(worker: Worker, actor: str, step: str, token: str, wanted: Spans) -> Outline | Piece:
    gate: Any = worker.state.actors.get(actor)
    if gate is None:
        raise ClosedError(f"{actor} is not on {worker.address} (any more)")
    migration: Migration = gate.migration
    if step == "read":
        return await migration.read(token, wanted)
    return await (migration.export(token) if step == "export" else migration.hold(token))
