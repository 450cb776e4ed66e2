"""Parameters in a file: written from the gates, and read into them, piece by piece."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

from akkordeon_dask._pieces import Piece, flat_bytes, leaves_of, read_piece, spans
from akkordeon_dask.actors import GateActor
from akkordeon_dask.errors import CheckpointError, ClosedError, DeadlineError
from akkordeon_dask.network import Network
from akkordeon_dask.runtime._checkpoint_file import Section, read_pieces, write_pieces
from akkordeon_dask.runtime._cut_short import finished
from akkordeon_dask.runtime._cuts import CutNetwork
from akkordeon_dask.runtime._gate_transfer import GateTransfer, held, staged
from akkordeon_dask.runtime._own_thread import LoopCalls, in_own_thread
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.tree import Tree

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
        await finished(transfer.commit())


async def replace_parameters(session: Session, new: Mapping[str, Tree]) -> None:
    """Let all gates go on with parameters that this process holds, of the form of their own; see `load`."""
    async with staged(session) as transfer:

        def send(calls: LoopCalls) -> None:
            arrays = {gate: flat_bytes(new[gate]) for gate in transfer.leaves}
            sections = ((gate, where) for gate, its in transfer.leaves.items() for where in spans(its))
            pieces = (((gate, where), read_piece(arrays[gate], where)) for gate, where in sections)
            for _ in calls.ahead(lambda piece: transfer.write(*piece[0], piece[1]), pieces):
                pass

        await in_own_thread("restore", send)
        await transfer.prepare()
        await finished(transfer.commit())


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
