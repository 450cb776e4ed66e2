"""Parameters in a file: written from the gates, and read into them, piece by piece."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

import numpy as np

from akkordeon_dask._pieces import Leaf, Piece, flat_bytes, leaves_of, read_piece, spans
from akkordeon_dask.actors import GateActor
from akkordeon_dask.errors import CheckpointError, ClosedError, DeadlineError, ShapeError, SpecError
from akkordeon_dask.network import Network
from akkordeon_dask.runtime._checkpoint_file import Section, read_pieces, write_pieces
from akkordeon_dask.runtime._cut_short import finished
from akkordeon_dask.runtime._cuts import CutNetwork
from akkordeon_dask.runtime._gate_transfer import GateTransfer, held, staged
from akkordeon_dask.runtime._own_thread import LoopCalls, in_own_thread
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.tree import Array, Tree, paths

__all__ = ["consistent_parameters", "load", "parameters", "replace_parameters", "save", "write"]


_ATTEMPTS = 5
"""At a cut, before `save` gives up."""
_REST = 0.25
"""Seconds between the first two of them, at most."""


async def parameters(session: Session, *, rated: bool = False) -> dict[str, Tree]:
    """`Running.parameters`, on the client's event loop."""
    versions = await session.on_gates(GateActor.parameters, rated)
    return {name: params for name, (_, params) in versions.items()}


async def save(session: Session, target: str) -> None:
    """`Running.save`, on the client's event loop."""
    async with _consistent(session) as transfer:

        def write_file(calls: LoopCalls) -> None:
            def pieces(sections: Iterable[Section]) -> Iterator[tuple[Section, Piece]]:
                return calls.ahead(lambda section: transfer.read(*section), sections)

            write_pieces(target, session.network, transfer.leaves, pieces)

        await in_own_thread("save", write_file)


async def consistent_parameters(session: Session, *, rated: bool = False) -> dict[str, Tree]:
    """The parameters of all gates at one moment, in this process.

    `rated`: those that validation, tests and predictions use.

    Raises
    ------
    CheckpointError
        when batches stay in flight for `snapshots.cut-deadline`.
    """
    async with _consistent(session, rated=rated) as transfer:
        return await session.on_gates(GateActor.held_parameters, transfer.token)


@contextlib.asynccontextmanager
async def _consistent(session: Session, *, rated: bool = False) -> AsyncIterator[GateTransfer]:
    """Have all gates hand out their parameters of one moment.

    Raises
    ------
    CheckpointError
        when batches stay in flight for `snapshots.cut-deadline`.
    """
    async with contextlib.AsyncExitStack() as stack:
        yield await _hold(session, stack, rated=rated)


async def _hold(session: Session, stack: contextlib.AsyncExitStack, *, rated: bool) -> GateTransfer:
    if session.closed or session.error is not None:  # nothing trains: closed gates still have their parameters
        return await stack.enter_async_context(held(session, None, rated=rated))
    for attempt in range(_ATTEMPTS):
        try:
            async with session.cutting:  # until the gates have handed it out: they keep few
                taken = await CutNetwork.of(session).take()
                return await stack.enter_async_context(held(session, taken.cut.name, rated=rated))
        except ClosedError:
            return await stack.enter_async_context(held(session, None, rated=rated))
        except (CheckpointError, DeadlineError) as error:  # another client's cut, or a gate that moves, is soon over
            if attempt == _ATTEMPTS - 1:
                remedy = "pause the training sentinels, then save"
                raise CheckpointError(f"there are no parameters of one moment: {error}: {remedy}") from error
            await asyncio.sleep(random.uniform(0, _REST * 2**attempt))  # two clients keep no step
    raise AssertionError("unreachable")


async def load(session: Session, source: str) -> None:
    """`Running.load`, on the client's event loop."""
    async with staged(session) as transfer:

        def read_file(calls: LoopCalls) -> None:
            def send(pieces: Iterable[tuple[Section, Piece]]) -> None:
                for _ in calls.ahead(lambda piece: transfer.write(*piece[0], piece[1]), pieces):
                    pass

            read_pieces(source, session.network, transfer.leaves, send)

        await in_own_thread("load", read_file)
        await transfer.prepare()
        await _commit(session, transfer)


async def replace_parameters(session: Session, new: Mapping[str, Tree]) -> None:
    """Let all gates go on with parameters that this process holds, in the dtypes of their own; see `load`.

    Raises
    ------
    SpecError
        when they are not those of this network; nothing has changed then.
    """
    async with staged(session) as transfer:
        fitted = _fitted(new, transfer.leaves)

        def send(calls: LoopCalls) -> None:
            arrays = {gate: flat_bytes(tree) for gate, tree in fitted.items()}
            sections = ((gate, where) for gate, its in transfer.leaves.items() for where in spans(its))
            pieces = (((gate, where), read_piece(arrays[gate], where)) for gate, where in sections)
            for _ in calls.ahead(lambda piece: transfer.write(*piece[0], piece[1]), pieces):
                pass

        await in_own_thread("restore", send)
        await transfer.prepare()
        await _commit(session, transfer)


async def _commit(session: Session, transfer: GateTransfer) -> None:
    async with session.cutting:
        await finished(transfer.commit())


_OWN = "give those that training.weights returned, or copies with other numbers"


def _fitted(new: Mapping[str, Tree], leaves: Mapping[str, tuple[Leaf, ...]]) -> dict[str, Tree]:
    """Parameters in the dtypes of the gates, by gate and path.

    Raises
    ------
    SpecError
        when a gate or an array is missing, or is too much, or has another shape or kind.
    """
    _check_same("weights", "gates", new, leaves)
    fitted: dict[str, Tree] = {}
    for gate, its in leaves.items():
        arrays, wanted = dict(paths(new[gate])), {leaf.path: leaf for leaf in its}
        _check_same(f"weights of gate {gate!r}", "arrays", arrays, wanted)
        fitted[gate] = {path: _fitted_leaf(gate, np.asarray(arrays[path]), leaf) for path, leaf in wanted.items()}
    return fitted


def _check_same(label: str, kind: str, given: Mapping[str, object], wanted: Mapping[str, object]) -> None:
    if given.keys() != wanted.keys():
        has, takes = (", ".join(map(repr, sorted(names, key=str))) or "none" for names in (given, wanted))
        raise SpecError(f"{label} have the {kind} {has}, the network has {takes}: {_OWN}")


def _fitted_leaf(gate: str, array: Array, leaf: Leaf) -> Array:
    if array.shape != leaf.shape:
        raise ShapeError(f"weight '{gate}.{leaf.path}' has shape {array.shape}, the network's is {leaf.shape}: {_OWN}")
    if not np.can_cast(array.dtype, leaf.dtype, "same_kind"):
        raise SpecError(
            f"weight '{gate}.{leaf.path}' is {array.dtype}, the network's is {np.dtype(leaf.dtype)}: {_OWN}"
        )
    return array.astype(leaf.dtype, copy=False)


def write(target: str, network: Network, parameters: Mapping[str, Tree]) -> None:
    """Write parameters that this process holds, as `Running.save` does.

    Raises
    ------
    CheckpointError
        when it cannot be written; the file that was there is left as it was.
    """
    arrays = {gate: flat_bytes(tree) for gate, tree in parameters.items()}

    def pieces(sections: Iterable[Section]) -> Iterator[tuple[Section, Piece]]:
        return (((gate, spans), read_piece(arrays[gate], spans)) for gate, spans in sections)

    write_pieces(target, network, {gate: leaves_of(tree) for gate, tree in parameters.items()}, pieces)
