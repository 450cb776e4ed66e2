"""A running network, as the user sees it."""

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from distributed import Client
from distributed.utils import offload

from akkordeon_dask._files import expand
from akkordeon_dask.actors import GateStatistics, SentinelStatistics
from akkordeon_dask.errors import SpecError
from akkordeon_dask.messages import PassReport
from akkordeon_dask.network import Network, Sentinel
from akkordeon_dask.runtime import _checkpoint
from akkordeon_dask.runtime._attached import Attached
from akkordeon_dask.runtime._history import History
from akkordeon_dask.runtime._other_sentinels import others_rest, watched
from akkordeon_dask.runtime._rating import Rating
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime._supervisor import Supervisor
from akkordeon_dask.runtime._warn import warn_of_snapshots
from akkordeon_dask.tree import Tree

__all__ = ["Running"]


class Running(Rating):
    """A deployed network: what `deploy` and `connect` give.

    With an asynchronous client every verb gives an awaitable; with a synchronous one it waits for the
    answer. Use it as a context (`with`, or `async with`): it closes at the end.
    """

    def __init__(
        self,
        session: Session,
        *,
        owner: bool,
        finish: Callable[[], Awaitable[None]],
        supervisor: Supervisor | None = None,
    ) -> None:
        self._session, self._supervisor = session, supervisor
        self._finish = finish
        self.owner = owner

    def __repr__(self) -> str:
        state = "closed" if self._session.closed else f"{len(self._session.sentinels)} sentinels"
        return f"<Running {self.name!r}: {len(self._session.gates)} gates, {state}>"

    @property
    def name(self) -> str:
        """The network's name on the cluster."""
        return self._session.name

    @property
    def network(self) -> Network:
        """The spec that was deployed."""
        return self._session.network

    @property
    def client(self) -> Client:
        """The client that holds the network."""
        return self._session.client

    @property
    def placement(self) -> Mapping[str, str]:
        """The address of every gate's worker."""
        return {gate.name: gate.worker for gate in self._session.gates}

    @property
    def dashboard_link(self) -> str:
        """The address of the scheduler's dashboard."""
        return str(self.client.dashboard_link)

    @property
    def sentinels(self) -> Mapping[str, Attached]:
        """The sentinels that this client attached and that have not left, by name."""
        return dict(self._session.sentinels)

    def subscribe(self, listener: Callable[[PassReport], None], *, mine: bool = False) -> None:
        """Call `listener` with each finished pass, on the client's event loop: it must not block.

        With `mine` it hears of the sentinels alone that this client attached.
        """
        self._session.listeners.append((listener, mine))

    def attach(self, sentinel: Sentinel, *, resume: bool | None = None) -> Any:
        """Put a sentinel to work at once; gives its `Attached`.

        Parameters
        ----------
        resume
            it goes on, if it trains, in the pass and at the batch where one of its name, with the same data and batch
            size, was when that was last written down beside the gates' snapshots; where there is none it begins with
            pass 1. None: if this client resumed the network, and the name is new to it.

        Raises
        ------
        DataError
            when its data cannot be read, there are none, or less than a batch.
        ShapeError
            when the network does not take its samples.
        PlacementError
            when the worker does not exist.
        NameConflictError
            when a gate, or a sentinel of whatever client, has the name. One without gets the first number that is free.
        SpecError, DeploymentError
            when it does not travel, or not in time, to its worker: data in memory go along with it.
        """
        return self._sync(self._session.attach, sentinel, resume)

    def detach(self, attached: Attached) -> Any:
        """Take a sentinel away: what it has under way is dropped, the network goes on."""
        return self._sync(self._session.detach, attached)

    def pause(self) -> Any:
        """Let all training sentinels of this client stop after what they have under way is home."""
        return self._sync(self._pause)

    async def _pause(self) -> None:
        self._session.check()
        for attached in self._training():
            await attached.ask("pause")

    def resume(self) -> Any:
        """Let them go on."""
        return self._sync(self._resume)

    async def _resume(self) -> None:
        self._session.check()
        for attached in self._training():
            await attached.resume()

    def _training(self) -> list[Attached]:
        return [attached for attached in self._session.sentinels.values() if attached.sentinel.mode == "train"]

    def wait(self, epochs: int | None = None, *, timeout: float | None = None, mine: bool = False) -> Any:
        """Wait until every training sentinel rests after its epochs, and every test sentinel after its pass.

        Sentinels of other clients are waited for where they end by themselves, and have not failed: that is logged.
        Warns at the end of snapshots that could not be written.

        Parameters
        ----------
        epochs
            passes after which each training sentinel rests, counted since it was attached, or since the run began
            that it resumes; None: as it was written.
        timeout
            seconds; None: as long as it takes, for whatever goes wrong ends the wait with an error.
        mine
            wait for the sentinels of this client alone, and give their passes. So does the wait for a number of
            `epochs`, which others do not count; it gives all passes.

        Returns
        -------
        History
            all passes: a tuple of `PassReport`.

        Raises
        ------
        GateError, SentinelError, NonFiniteError, WorkerLostError, DataError
            what went wrong, with the gate, the batch and the worker.
        DeadlineError
            after `timeout`.
        """
        return self._sync(self._wait, epochs, timeout, mine)

    async def _wait(self, epochs: int | None, timeout: float | None, mine: bool) -> History:
        self._session.check()
        if epochs is not None:
            for attached in self._training():
                if attached.error is None:
                    await attached.resume(epochs)
        endless = [a.name for a in self._training() if epochs is None and a.sentinel.epochs is None]
        if endless and timeout is None:
            raise SpecError(f"sentinel {endless[0]!r} trains without end: say wait(epochs=...)")
        if mine or epochs is not None:
            await self._session.until(self._rest, timeout)
        else:
            async with watched(self._session):
                await self._session.until(lambda: self._rest() and others_rest(self._session), timeout)
        await warn_of_snapshots(self._session)
        return self.passes(mine=mine)

    def _rest(self) -> bool:
        waited_for = [a for a in self._session.sentinels.values() if a.sentinel.mode != "validate"]
        return all(attached.state in ("resting", "left") for attached in waited_for)

    def parameters(self) -> Any:
        """A copy of every gate's parameters at this moment, by gate: each gate's are of one version."""
        return self._sync(self._parameters)

    async def _parameters(self) -> dict[str, Tree]:
        versions = await self._session.on_gates("parameters")
        return {name: params for name, (_, params) in versions.items()}

    def save(self, target: str | os.PathLike[str]) -> Any:
        """Write all parameters to a safetensors file: a path, in which `~` is the home folder, or fsspec URL.

        Raises
        ------
        CheckpointError
            when it cannot be written.
        """
        return self._sync(self._save, expand("save", target))

    async def _save(self, target: str) -> None:
        await offload(_checkpoint.write, target, self.network, await self._parameters())

    def load(self, source: str | os.PathLike[str]) -> Any:
        """Go on with the parameters of a file that `save` wrote; optimizers begin anew.

        Any safetensors file with these tensors will do: float16, bfloat16, float32 and float64 become what each gate
        computes with.

        Raises
        ------
        CheckpointError
            when it cannot be read, belongs to another network, or has a tensor of another dtype or with values that
            are not finite in the network; nothing has changed then.
        """
        return self._sync(self._load, expand("load", source))

    async def _load(self, source: str) -> None:
        arrays = await offload(_checkpoint.read, source)
        new = await offload(_checkpoint.fit, source, arrays, self.network, await self._parameters())
        for gate in self._session.gates:
            await gate.ask("replace", new[gate.name])

    def statistics(self) -> Any:
        """What every gate and every sentinel of this client did and holds, by name."""
        return self._sync(self._statistics)

    async def _statistics(self) -> dict[str, GateStatistics | SentinelStatistics]:
        gates = await self._session.on_gates("statistics")
        sentinels = {name: await attached.ask("statistics") for name, attached in list(self._session.sentinels.items())}
        return {**gates, **sentinels}

    async def _close(self) -> None:
        if not self._session.closed:
            await self._finish()
