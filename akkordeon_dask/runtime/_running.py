"""A running network, as the user sees it."""

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from distributed import Client
from distributed.utils import offload

from akkordeon_dask._durations import Duration
from akkordeon_dask._files import expand
from akkordeon_dask.actors import GateActor, GateStatistics, SentinelActor, SentinelStatistics
from akkordeon_dask.errors import ClosedError, DeadlineError, SpecError, WorkerLostError
from akkordeon_dask.messages import PassReport
from akkordeon_dask.network import Network, Sentinel
from akkordeon_dask.runtime import _checkpoint
from akkordeon_dask.runtime._arguments import check_epochs, check_listener, check_switch, check_timeout
from akkordeon_dask.runtime._history import History
from akkordeon_dask.runtime._progress import at_work
from akkordeon_dask.runtime._rating import Rating
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime._warn import warn_of_snapshots
from akkordeon_dask.runtime.clients._sentinels import others_rest, watched
from akkordeon_dask.runtime.handles._sentinel import Attached
from akkordeon_dask.runtime.recovery._owner_policy import OwnerPolicy
from akkordeon_dask.runtime.recovery._sentinels import attach
from akkordeon_dask.tree import Tree

__all__ = ["Running"]

_GONE = (WorkerLostError, ClosedError, DeadlineError)
"""Errors of sentinels that can be asked nothing any more."""


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
        supervisor: OwnerPolicy | None = None,
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

    def subscribe(self, listener: Callable[[PassReport], None], *, mine: bool = False) -> Callable[[], None]:
        """Call `listener` with each finished pass, on the client's event loop: it must not block.

        With `mine` it hears of the sentinels alone that this client attached. An error that it raises is logged; other
        listeners, and training, go on. Gives the function that ends this.

        Raises
        ------
        SpecError
            when it is no function of one argument, or an async one.
        """
        check_listener(listener)
        entry = (listener, bool(check_switch("mine", mine)))
        self._session.listeners.append(entry)
        return partial(self._session.silence, entry)

    def attach(self, sentinel: Sentinel, *, epochs: int | None = None, resume: bool | None = None) -> Any:
        """Put a sentinel to work at once; gives its `Attached`.

        Its first batch is drawn, and compared with what the network takes, before this returns; a provider that has
        none within `akkordeon.timeouts.first-batch` is waited for behind the scenes. After an error nothing is left:
        the name is free again.

        Parameters
        ----------
        epochs
            passes after which it rests, in the place of the sentinel's own `epochs`; None: as it was written. A
            sentinel that trains without such a number goes on until it is detached or `wait(epochs=...)` ends.
        resume
            it goes on, if it trains, in the pass and at the batch where one of its name, with the same data and batch
            size, was when that was last written down beside the gates' snapshots; where there is none it begins with
            pass 1. None: if this client resumed the network, and the name is new to it.

        Raises
        ------
        DataError
            when its data cannot be read, there are none, or less than a batch, or they lack labels.
        ShapeError
            when the network does not take its samples.
        SentinelError
            when its provider raises an error of its own.
        PlacementError
            when the worker does not exist.
        NameConflictError
            when a gate, or a sentinel of whatever client, has the name. One without gets the first number that is free.
        SpecError
            when an argument is not what it should be, or a test sentinel, which makes one pass, is given `epochs`.
        SpecError, DeploymentError
            when it does not travel, or not in time, to its worker: data in memory go along with it.
        """
        if not isinstance(sentinel, Sentinel):
            raise SpecError(f"attach takes a Sentinel, e.g. Sentinel.train(data.mnist('train')), not {sentinel!r:.80}")
        check_switch("resume", resume)
        if (epochs := check_epochs(epochs)) is not None:
            if sentinel.mode in ("test", "predict"):
                raise SpecError(f"a {sentinel.mode} sentinel makes one pass: leave epochs={epochs} out")
            sentinel = replace(sentinel, epochs=epochs)
        return self._sync(attach, self._session, sentinel, resume)

    def detach(self, attached: Attached | str) -> Any:
        """Take a sentinel away: what it has under way is dropped, the network goes on.

        Parameters
        ----------
        attached
            what `attach` gave, or the sentinel's name. One that has left already is no error.

        Raises
        ------
        SpecError
            when there is no sentinel of this name: lists those there are.
        """
        if not isinstance(attached, Attached | str):
            raise SpecError(f"detach takes what attach gave, or a sentinel's name, not {attached!r:.80}")
        return self._sync(self._detach, attached)

    async def _detach(self, attached: Attached | str) -> None:
        await self._session.detach(self._session.attached(attached))

    def pause(self) -> Any:
        """Let all training sentinels of this client stop after what they have under way is home.

        One that has made its passes stays at rest. The passes that somebody waits for are still counted: after
        `resume` it makes the rest of them.
        """
        return self._sync(self._pause)

    async def _pause(self) -> None:
        self._session.check()
        for attached in self._training():
            await attached.ask(SentinelActor.pause)

    def resume(self) -> Any:
        """Let those go on that were paused. One that has made its passes rests on: `wait(epochs=...)` adds some."""
        return self._sync(self._resume)

    async def _resume(self) -> None:
        self._session.check()
        for attached in self._training():
            await attached.resume()

    def _training(self) -> list[Attached]:
        """Those that have not failed."""
        there = self._session.sentinels.values()
        return [attached for attached in there if attached.sentinel.mode == "train" and attached.error is None]

    def wait(
        self,
        epochs: int | None = None,
        *,
        timeout: Duration | None = None,
        mine: bool = False,
        progress: bool | None = None,
    ) -> Any:
        """Wait until every training sentinel rests after its epochs, and every test sentinel after its pass.

        All that are attached at the call are waited for; one that is paused, until it is resumed. Sentinels of other
        clients are waited for where they end by themselves, and have not failed: that is logged. A sentinel of this
        client that has failed is told of once, by the first call that meets it: later ones wait for the others. Warns
        at the end of snapshots that could not be written.

        Parameters
        ----------
        epochs
            complete passes that each training sentinel makes from this call on: a pass that is open then is the first
            of them. Then it rests, with no batch of a further pass drawn, until the next call. A pass that has begun is
            always ended: one whose batches under way belong to more than `epochs` short passes makes those. One that
            has an `epochs` of its own never makes more than those in all; one that is paused goes on. None: each goes
            on until it has made the number it was written or attached with.
        timeout
            `"30s"`, or a number of seconds; None: as long as it takes, for whatever goes wrong ends the wait with an
            error. Training goes on after it.
        mine
            wait for the sentinels of this client alone, and give their passes. So does the wait for a number of
            `epochs`, which others do not count; it gives all passes.
        progress
            show each pass as a line when it has ended, and over what is under way a bar for each sentinel that is
            waited for, and for a validation that takes longer than a second: its pass, loss and scores so far, samples
            a second, the time left. None: where standard output is a terminal, or this is a notebook; there a first
            line says what network it is. True: also elsewhere, the lines alone. False: nothing.

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
        SpecError
            when `epochs` is no whole number of at least 1, `timeout` no time above zero, `progress` not True, False or
            None, or when neither `epochs` nor `timeout` is given and a sentinel trains without end.

        Examples
        --------
        >>> running.attach(train, epochs=5)                                                         # doctest: +SKIP
        >>> running.wait()  # exactly five passes, whenever it is called                            # doctest: +SKIP
        >>> running.attach(other_train)                                                             # doctest: +SKIP
        >>> running.wait(epochs=2)  # those it made until now, and two more                         # doctest: +SKIP
        """
        mine = bool(check_switch("mine", mine))
        args = check_epochs(epochs), check_timeout(timeout), mine
        return self._shown(progress, at_work, mine, self._wait, *args)

    async def _wait(self, epochs: int | None, timeout: float | None, mine: bool) -> History:
        self._session.check()
        endless = [a.name for a in self._training() if epochs is None and a.sentinel.epochs is None]
        if endless and timeout is None:
            remedy = "say wait(epochs=...), or attach it with epochs"
            raise SpecError(f"sentinel {endless[0]!r} trains without end: {remedy}")
        waited_for = [a for a in self._session.sentinels.values() if a.sentinel.mode != "validate"]
        for attached in self._training():
            if epochs is not None or (attached.until is not None and attached.sentinel.epochs is not None):
                await attached.count(epochs)
        await self._until_ended(waited_for, timeout, alone=mine or epochs is not None)
        await warn_of_snapshots(self._session)
        return self.passes(mine=mine)

    async def _until_ended(self, waited_for: Iterable[Attached], timeout: float | None, *, alone: bool) -> None:
        """Wait for sentinels of this client, and, but where it is `alone`, for other clients' too."""

        def ended() -> bool:
            return all(attached.ended for attached in waited_for)

        if alone:
            await self._session.wait_until(ended, timeout)
            return
        async with watched(self._session):
            await self._session.wait_until(lambda: ended() and others_rest(self._session), timeout)

    def parameters(self) -> Any:
        """A copy of every gate's parameters at this moment, by gate: each gate's are of one version."""
        return self._sync(self._parameters)

    async def _parameters(self) -> dict[str, Tree]:
        versions = await self._session.on_gates(GateActor.parameters)
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
        new = await offload(_checkpoint.match_parameters, source, arrays, self.network, await self._parameters())
        for gate in self._session.gates:
            await gate.ask(GateActor.replace, new[gate.name])

    def statistics(self) -> Any:
        """What every gate and every sentinel of this client did and holds, by name."""
        return self._sync(self._statistics)

    async def _statistics(self) -> dict[str, GateStatistics | SentinelStatistics]:
        gates = await self._session.on_gates(GateActor.statistics)
        there = [one for one in self._session.sentinels.values() if not isinstance(one.error, _GONE)]
        return {**gates, **{attached.name: await attached.ask(SentinelActor.statistics) for attached in there}}

    async def _close(self) -> None:
        if not self._session.closed:
            await self._finish()
