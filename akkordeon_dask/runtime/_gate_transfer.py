"""Parameters of all gates that travel piece by piece between them and a client."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import NamedTuple

from akkordeon_dask import config
from akkordeon_dask._pieces import SLOWEST, Leaf, Parcel, Piece, Spans, nbytes_of
from akkordeon_dask.actors import GateActor
from akkordeon_dask.errors import AkkordeonError, CheckpointError
from akkordeon_dask.runtime._cut_short import finished, together
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.handles._gate import GateHandle

__all__ = ["GateTransfer", "held", "staged"]

_RENEWALS = 4
"""Of a token, in the time for which it lasts."""


class GateTransfer(NamedTuple):
    """What all gates hold for this client under one token. On the event loop."""

    token: str
    gates: Mapping[str, GateHandle]
    leaves: Mapping[str, tuple[Leaf, ...]]
    """Of each gate; a path begins below the gate's name."""

    async def read(self, gate: str, spans: Spans) -> Piece:
        """A piece of a gate's parameters."""
        return await self.gates[gate].poll(_patience(spans), GateActor.read_piece, self.token, spans)

    async def write(self, gate: str, spans: Spans, piece: Piece) -> None:
        """Write a piece of a gate's new parameters."""
        parcel = Parcel(piece)
        try:
            await self.gates[gate].poll(_patience(spans), GateActor.write_piece, self.token, spans, parcel)
        finally:
            parcel.clear()

    async def commit(self) -> None:
        """Have all gates continue with their new parameters: all of them, unless one ends just now.

        Raises
        ------
        CheckpointError
            when some have the new parameters and others do not, or may not: names both. They are consistent again
            once all have been written once more.
        AkkordeonError
            when none has them.
        """
        commits = (gate.ask(GateActor.commit, self.token) for gate in self.gates.values())
        answers = dict(zip(self.gates, await asyncio.gather(*commits, return_exceptions=True), strict=True))
        errors = {name: error for name, error in answers.items() if isinstance(error, BaseException)}
        if not errors:
            return
        first = next(iter(errors.values()))
        new = [name for name in answers if name not in errors]
        if not new and all(isinstance(error, CheckpointError) for error in errors.values()):
            raise first
        raise CheckpointError(
            f"the parameters of the network are mixed: {_listed(new)} with the new ones; {_listed(errors)} without "
            f"them, or with those of a snapshot after a restart ({first}): load the file again, once all gates work"
        ) from first

    async def prepare(self) -> None:
        """Have all gates make ready for that, which takes the time."""
        await together(gate.ask(GateActor.prepare, self.token) for gate in self.gates.values())


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    return f"{'gates' if len(found) > 1 else 'gate'} {', '.join(map(repr, found))}" if found else "no gate"


def _patience(spans: Spans) -> float:
    """Seconds that a piece may take beside the time for a short answer."""
    return nbytes_of(spans) / SLOWEST


@contextlib.asynccontextmanager
async def held(session: Session, cut: str | None, *, rated: bool = False) -> AsyncIterator[GateTransfer]:
    """Have all gates hand out their parameters of a cut, or the present ones, for as long as the context lasts.

    `rated`: those that validation, tests and predictions use.
    """
    async with _released(session) as token:
        leaves = await finished(session.on_gates(GateActor.hold, token, cut, rated), None)
        yield GateTransfer(token, _gates(session), leaves)


@contextlib.asynccontextmanager
async def staged(session: Session) -> AsyncIterator[GateTransfer]:
    """Have all gates take other parameters in, for as long as the context lasts."""
    async with _released(session) as token:
        leaves = await finished(session.on_gates(GateActor.stage, token), None)
        yield GateTransfer(token, _gates(session), leaves)


def _gates(session: Session) -> dict[str, GateHandle]:
    return {gate.name: gate for gate in session.gates}


@contextlib.asynccontextmanager
async def _released(session: Session) -> AsyncIterator[str]:
    """A token that is renewed as long as the context lasts, and then released; gates do so where this client dies.

    What it begins is not cut short: a gate must not hear of the token after its release.
    """
    token = uuid.uuid4().hex
    renewing = asyncio.get_running_loop().create_task(_renew(session, token))
    try:
        yield token
    finally:
        renewing.cancel()
        released = (gate.ask(GateActor.release, token) for gate in session.gates)
        await finished(asyncio.gather(renewing, *released, return_exceptions=True), None)


async def _renew(session: Session, token: str) -> None:
    while True:
        await asyncio.sleep(config.seconds("timeouts.control") / _RENEWALS)
        await together(_renew_one(gate, token) for gate in session.gates)


async def _renew_one(gate: GateHandle, token: str) -> None:
    with contextlib.suppress(AkkordeonError):  # the next piece says so
        await gate.ask(GateActor.renew, token)
