"""A running network and all that its user can do with it."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, cast

from distributed import Client
from numpy.typing import ArrayLike

from akkordeon_dask import data
from akkordeon_dask._durations import Duration
from akkordeon_dask._files import expand
from akkordeon_dask._numbers import check_count, check_flag
from akkordeon_dask.actors import GateActor, GateStatistics, SentinelActor, SentinelStatistics
from akkordeon_dask.callbacks import Callback, as_callbacks
from akkordeon_dask.errors import DataError, DeploymentError, SpecError
from akkordeon_dask.memory import copied
from akkordeon_dask.messages import PassReport
from akkordeon_dask.network import Network, Sentinel
from akkordeon_dask.runtime import _checkpoint, _evaluate, _pause, _report
from akkordeon_dask.runtime._arguments import check_epochs, check_listener, check_name, check_timeout
from akkordeon_dask.runtime._cut_short import Revocable, begun, finished
from akkordeon_dask.runtime._history import History
from akkordeon_dask.runtime._notebook import page_link, running_html
from akkordeon_dask.runtime._progress import ProgressDisplay, draw_during, has_bar
from akkordeon_dask.runtime._scheduler_loss import closed_client
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime._sync import check_asynchronous, verb
from akkordeon_dask.runtime._training import SessionTraining
from akkordeon_dask.runtime._wait import wait
from akkordeon_dask.runtime.clients._owner_requests import ask_owner
from akkordeon_dask.runtime.cluster._embedded import EmbeddedCluster, OnEmbeddedCluster
from akkordeon_dask.runtime.collections._attach import attach_collections, reads
from akkordeon_dask.runtime.collections._attach import evaluate as evaluate_once
from akkordeon_dask.runtime.collections._predict import predict_collection
from akkordeon_dask.runtime.handles._attached_handle import GONE, Attached
from akkordeon_dask.runtime.recovery._cut_schedule import snapshot
from akkordeon_dask.runtime.recovery._migration import drain, move, rebalance
from akkordeon_dask.runtime.recovery._owner_policy import OwnerPolicy
from akkordeon_dask.runtime.recovery._sentinels import attach
from akkordeon_dask.tree import Array, Tree

__all__ = ["AsyncRunning", "Running"]

P = ParamSpec("P")
T = TypeVar("T")


class Running:
    """A deployed network, as `deploy` and `connect` return it.

    With a synchronous client each verb waits for its result. With an asynchronous client each returns a coroutine;
    `running.aio` has the same verbs with types that say so. Use it as a context, `with` or `async with`: it closes at
    the end.

    `move`, `drain` and `rebalance` are done by the owner of the network: a client that has only connected asks it. Then
    they may raise a `DeploymentError`, where the network has no owner any more, and a `DeadlineError`, where the owner
    does not answer within `akkordeon.timeouts.owner`.

    Examples
    --------
    >>> from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim
    >>> network = Gate(nn.Scale(33.3, 78.6) >> nn.Linear(784, 10), optim.SGD(0.01))
    >>> with deploy(network, name="digits") as running:
    ...     attached = running.attach(Sentinel.train(data.mnist_sample("train")))
    ...     history = running.wait(epochs=2)
    ...     [report.samples for report in history], running
    ([10000, 10000], <Running 'digits': 1 gates, 1 sentinels>)
    >>> running
    <Running 'digits': 1 gates, closed>
    """

    def __init__(
        self,
        session: Session,
        finish: Callable[[], Awaitable[None]],
        embedded: EmbeddedCluster | None = None,
    ) -> None:
        self._session, self._finish, self._embedded = session, finish, embedded
        self._display = ProgressDisplay(session)
        self._closing: asyncio.Task[None] | None = None
        """The end of the network, which a call that is cut short leaves to the next one."""

    def __repr__(self) -> str:
        state = "closed" if self._session.closed else f"{len(self._session.sentinels)} sentinels"
        return f"<Running {self.name!r}: {len(self._session.gates)} gates, {state}>"

    def __reduce__(self) -> tuple[object, ...]:
        """A copy elsewhere would have no connection, and one here would close the network twice.

        Raises
        ------
        SpecError
            always.
        """
        raise SpecError(
            f"network {self.name!r} is neither pickled nor copied, as it holds a connection: deploy it with a name, "
            "send the name, and connect(name, client) there"
        )

    def _repr_html_(self) -> str:
        return running_html(self._session, owner=self.owner)

    def __enter__(self) -> Self:
        if self.client.asynchronous:
            raise SpecError(f"network {self.name!r} has an asynchronous client: write `async with` instead of `with`")
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        if not self.client.asynchronous:
            raise SpecError(f"network {self.name!r} has a synchronous client: write `with` instead of `async with`")
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._close()

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
    def owner(self) -> bool:
        """This client deployed or adopted the network: closing ends its gates."""
        return isinstance(self._session.policy, OwnerPolicy)

    @property
    def aio(self) -> "AsyncRunning":
        """The verbs as coroutines, for an asynchronous client: `history = await running.aio.wait(epochs=2)`.

        Raises
        ------
        SpecError
            when the client is a synchronous one.
        """
        check_asynchronous("running.aio", self.client)
        return AsyncRunning(self)

    @property
    def placement(self) -> Mapping[str, str]:
        """The address of every gate's worker."""
        return {gate.name: gate.worker for gate in self._session.gates}

    @property
    def dashboard_link(self) -> str:
        """The address of the network's page on the scheduler's dashboard; empty where it has none."""
        return page_link(self.client, self.name)

    @property
    def sentinels(self) -> Mapping[str, Attached]:
        """The sentinels that this client attached and that have not left, by name."""
        return dict(self._session.sentinels)

    @property
    def history(self) -> History:
        """All finished passes of the network's sentinels, whoever attached them, in the order they became known here.

        Passes that ended before this client connected come first, as far as the scheduler remembers them. Of a sentinel
        with more than 10,000 the newest 5,000 are there, and of the older ones every n-th, back to its first.
        """
        return self.passes()

    def passes(self, *, mine: bool = False) -> History:
        """The `history`; with `mine`, only of the sentinels that this client attached."""
        return self._session.passes.history(mine=mine)

    def subscribe(self, listener: Callable[[PassReport], None], *, mine: bool = False) -> Callable[[], None]:
        """Call `listener` with each finished pass, on the client's event loop: it must not block.

        With `mine` it gets only the passes of sentinels that this client attached. An error that it raises is logged;
        other listeners, and training, go on. Returns the function that ends the subscription.

        Raises
        ------
        SpecError
            when it is no function of one argument, or an async one.
        """
        check_listener(listener)
        entry = (listener, bool(check_flag("mine", mine, optional=True)))
        self._session.listeners.append(entry)
        return partial(self._session.silence, entry)

    def add_callback(self, callback: Callback | Callable[[PassReport], object]) -> Callable[[], None]:
        """Call a callback with each finished pass from now on, and at the end of each `wait`.

        `wait(callbacks=[...])` takes callbacks for as long as it waits. With this verb, before the first sentinel is
        attached, a callback misses no pass. An error that it raises is raised by `wait`. Returns the function that
        removes it.

        Raises
        ------
        SpecError
            when it is no callback, or is called already.
        """
        session, made = self._session, as_callbacks([callback])
        session.callbacks.add(made, SessionTraining(session))
        return partial(session.callbacks.remove, made)

    @verb
    def attach(
        self, sentinel: Sentinel, *, epochs: int | None = None, resume: bool | None = None
    ) -> Awaitable[Attached]:
        """Start a sentinel at once; returns its `Attached`.

        Its first batch is drawn, and compared with the network's input, before this returns; a provider that has
        none within `akkordeon.timeouts.first-batch` is waited for in the background. After an error nothing is left:
        the name is free again.

        Parameters
        ----------
        epochs
            passes after which it rests, instead of the sentinel's own `epochs`; None: as it was written. A
            sentinel that trains without such a number goes on until it is detached or `wait(epochs=...)` ends.
        resume
            a training sentinel resumes at the pass and batch that an earlier one of its name, with the same data and
            batch size, last saved beside the gates' snapshots; without such a position it begins with pass 1. None:
            yes, if this client resumed the network, and the name is new to it.

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
            when a gate, or a sentinel of any client, has the name. One without gets the first number that is free.
        SpecError
            when an argument is not what it should be, or a test sentinel, which makes one pass, is given more `epochs`.
        SpecError, DeploymentError
            when it cannot be sent to its worker, or not in time: data in memory are sent with it.
        """
        if not isinstance(sentinel, Sentinel):
            raise SpecError(f"attach takes a Sentinel, e.g. Sentinel.train(data.mnist('train')), not {sentinel!r:.80}")
        resume = check_flag("resume", resume, optional=True)
        if (epochs := check_epochs(epochs)) is not None:
            sentinel = replace(sentinel, epochs=epochs)
        session = self._connected
        start = attach_collections if isinstance(sentinel.provider, data.Collections) else attach
        return Revocable(start(session, sentinel, resume), session.detach)

    @verb
    def detach(self, attached: Attached | str) -> Awaitable[None]:
        """Remove a sentinel: its batches in flight are dropped, the network goes on.

        Parameters
        ----------
        attached
            the `Attached`, or the sentinel's name. One that has left already is no error.

        Raises
        ------
        SpecError
            when there is no sentinel of this name: lists those there are.
        """
        if not isinstance(attached, Attached | str):
            raise SpecError(f"detach takes an Attached, or a sentinel's name, not {attached!r:.80}")
        return finished(self._detach(self._connected, attached))

    async def _detach(self, session: Session, attached: Attached | str) -> None:
        await session.detach(session.attached(attached))

    @verb
    def pause(self) -> Awaitable[None]:
        """Pause all training sentinels of this client as soon as their batches in flight are back.

        One that has made its passes rests on. A `wait` for a number of passes still counts: after `resume` a sentinel
        makes the rest of them.
        """
        return finished(_pause.pause_session(self._connected))

    @verb
    def resume(self) -> Awaitable[None]:
        """Resume the paused sentinels. One that has made its passes rests on: `wait(epochs=...)` adds some."""
        return finished(_pause.resume_session(self._connected))

    @verb
    def wait(
        self,
        epochs: int | None = None,
        *,
        timeout: Duration | None = None,
        mine: bool = False,
        progress: bool | None = None,
        callbacks: Sequence[Callback | Callable[[PassReport], object]] | None = None,
    ) -> Awaitable[History]:
        """Wait until every training sentinel rests after its epochs, and every test sentinel after its pass.

        Also until the epochs that have ended are validated, where a `Sentinel.validate(every="epoch")` is attached.

        All that are attached at the call are waited for; one that is paused, until it is resumed. Sentinels of other
        clients are waited for where they end by themselves, and have not failed: that is logged. The error of a
        sentinel of this client is raised once, by the first call that meets it: later ones wait for the others. Warns
        at the end of snapshots that could not be written.

        Parameters
        ----------
        epochs
            complete passes that each training sentinel makes from this call on: a pass that is open then is the first
            of them. Then it rests, with no batch of a further pass drawn, until the next call, unless another thread or
            task still waits for more. A pass that has begun is
            always ended: one whose batches in flight belong to more than `epochs` short passes makes those. One that
            has an `epochs` of its own never makes more than those in all; one that is paused goes on. None: each goes
            on until it has made the number it was written or attached with. One that a callback has stopped since the
            last wait rests on: this call tells of it, the next one lets it go on.
        timeout
            `"30s"`, or a number of seconds; None: no limit, for any failure ends the wait with an error. Training goes
            on after it.
        mine
            wait only for the sentinels of this client, and return their passes. A wait for a number of `epochs`, which
            others do not count, also waits only for those, but returns all passes.
        progress
            show each pass as a line when it has ended, and below the lines a bar for each sentinel that is
            waited for, and for a validation that takes longer than a second: its pass, loss and scores so far, samples
            a second, the time left. None: where standard output is a terminal, or this is a notebook; there a first
            line names the network. True: also elsewhere, only the lines. False: nothing.
        callbacks
            called with each pass that ends from now on, of whichever sentinel, and at the end:
            `callbacks.EarlyStopping` and the like, or plain functions of a `PassReport`. An error of a callback ends
            the wait; training goes on. Passes that have ended before are not shown to them: see `add_callback`; nor
            are those of test sentinels that a callback itself evaluates or attaches. A RuntimeWarning names a callback
            whose figure no pass has reported since.

        Returns
        -------
        History
            all passes: a tuple of `PassReport`.

        Raises
        ------
        TrainingError, DataError
            the first failure, with the gate, the batch and the worker: a `GateError`, `SentinelError`,
            `NonFiniteError`, `LostBatchesError`, `WorkerLostError` or `SchedulerLostError`, or a plain `TrainingError`
            for a link that cannot connect.
        ClosedError
            when the network is closed or stopped.
        DeadlineError
            after `timeout`.
        SpecError
            when `epochs` is no whole number of at least 1, `timeout` no time above zero, `progress` not True, False or
            None, or when neither `epochs` nor `timeout` is given and a sentinel trains without end; when a callback
            monitors a figure that no sentinel reports: lists those there are; in a callback of the network.

        Examples
        --------
        >>> running.attach(train, epochs=5)                                                         # doctest: +SKIP
        >>> running.wait()  # exactly five passes, whenever it is called                            # doctest: +SKIP
        >>> running.attach(other_train)                                                             # doctest: +SKIP
        >>> running.wait(epochs=2)  # those it made until now, and two more                         # doctest: +SKIP
        """
        mine = bool(check_flag("mine", mine, optional=True))
        epochs, seconds = check_epochs(epochs), check_timeout(timeout)
        self._session.callbacks.refuse_inside("wait")
        return self._shown(progress, has_bar, mine, wait, epochs, seconds, as_callbacks(callbacks), mine=mine)

    @verb
    def wait_for(self, attached: Attached, *, progress: bool | None = False) -> Awaitable[None]:
        """Wait until a sentinel of this client rests, has failed or has left; one without `epochs` never does.

        Parameters
        ----------
        progress
            show its progress, as `wait` does.

        Raises
        ------
        ClosedError
            when the network is closed or stopped.
        TrainingError, DataError
            the first failure, as `wait` raises it.
        SpecError
            when it is no `Attached`, or one of another client or network; in a callback of the network, where the
            sentinel trains.
        """
        if not isinstance(attached, Attached):
            raise SpecError(f"wait_for takes an Attached, as attach returns it, not {attached!r:.80}")
        self._connected.require_own(attached)
        if attached.sentinel.mode == "train":
            self._session.callbacks.refuse_inside("wait_for")
        return self._shown(
            progress, lambda one: one is attached, True, Session.wait_until, lambda: attached.ended, None
        )

    @verb
    def wait_closed(self) -> Awaitable[None]:
        """Wait until the network ends: for programs that do nothing else. Always raises.

        Raises
        ------
        ClosedError
            when the network is closed or stopped.
        TrainingError, DataError
            the first failure, as `wait` raises it.
        SpecError
            in a callback of the network.
        """
        self._session.callbacks.refuse_inside("wait_closed")
        return self._connected.wait_until(lambda: False, None)

    @verb
    def evaluate(self, sentinel: Sentinel, *, progress: bool | None = None) -> Awaitable[PassReport]:
        """Make one pass of a `Sentinel.test`: attach it, wait for it, detach it.

        Parameters
        ----------
        progress
            show its progress, as `wait` does.

        Raises
        ------
        SpecError
            when it is no test sentinel.
        AkkordeonError
            whatever `attach` and `wait` raise.
        """
        if not (isinstance(sentinel, Sentinel) and sentinel.mode == "test"):
            raise SpecError(f"evaluate takes a Sentinel.test(...), not {sentinel!r:.80}")
        return self._shown(progress, lambda one: reads(one, sentinel), True, evaluate_once, sentinel)

    @verb
    def predict(self, x: ArrayLike, *, batch_size: int = 1024) -> Awaitable[Array]:
        """The network's outputs for samples `x : (samples, *shape)`, by one version of each gate, while it trains.

        It takes the same arrays as `data.arrays`, and copies `x` at once: you may write into it again as soon as the
        call has returned, with an asynchronous client before its coroutine is awaited.

        Of a collection of Dask, as `data.from_dask` takes them, it makes a lazy array with the dtype of the last gate:
        its parts are computed where the partitions are, by the weights of this moment.

        Raises
        ------
        DataError
            when `x` holds no real numbers, some of them are masked or missing, or it is a frame whose columns are not
            those of the network's data, in their order; when it is a provider.
        """
        size = check_count("batch_size", batch_size)
        if isinstance(x, data.Provider):
            raise DataError(
                f"predict takes an array of samples, not the provider {x!r:.80}: give the samples, or have the network "
                "rated on the provider, running.evaluate(Sentinel.test(provider))"
            )
        if data.is_collection(x):
            lazy = predict_collection(self._connected, x, size)
            return finished(cast(Awaitable[Array], lazy))  # an array too, though not of numpy
        return _evaluate.predict(self._connected, copied(data.as_numbers("x", x)), data.ColumnNames.of(x), size)

    @verb
    def parameters(self, *, rated: bool = False) -> Awaitable[dict[str, Tree]]:
        """A copy of every gate's parameters at this moment, by gate: each gate's are of one version.

        Parameters
        ----------
        rated
            those that validation, tests and predictions use: the averages of gates with `optim.EMA`. False: those that
            train.
        """
        return _checkpoint.parameters(self._connected, rated=bool(check_flag("rated", rated)))

    @verb
    def save(self, target: str | os.PathLike[str]) -> Awaitable[None]:
        """Write all parameters to a safetensors file: a path, in which `~` is the home folder, or fsspec URL.

        Tensors are named by gate, layer and name, `g0.1.w`. Those of a network of torch modules alone have torch's own
        names where these are unique, for `module.load_state_dict(safetensors.torch.load_file(target))`.

        They come in pieces, so that this process needs no memory for them. Gates keep the version that is read until
        it is written; what was at the target stays where it cannot be.

        Raises
        ------
        CheckpointError
            when it cannot be written.
        """
        return _checkpoint.save(self._connected, expand("save", target))

    @verb
    def load(self, source: str | os.PathLike[str]) -> Awaitable[None]:
        """Go on with the parameters of a file that `save` wrote; optimizers begin anew.

        Any safetensors file with these tensors will do: float16, bfloat16, float32 and float64 are converted to each
        gate's dtype. They travel in pieces, and gates go on with them when all have arrived.

        Raises
        ------
        CheckpointError
            when it cannot be read, belongs to another network, or has a tensor of another dtype or with values that
            are not finite in the network (what is not trained, as a buffer, may be infinite); nothing has changed then.
            Also when a gate is lost at the very moment when all go on with the new parameters: the error names the
            gates that have them and those that do not.
        """
        return _checkpoint.load(self._connected, expand("load", source))

    @verb
    def statistics(self) -> Awaitable[dict[str, GateStatistics | SentinelStatistics]]:
        """Counts and state of every gate, and of every sentinel of this client, by name."""
        return self._statistics(self._connected)

    async def _statistics(self, session: Session) -> dict[str, GateStatistics | SentinelStatistics]:
        gates = await session.on_gates(GateActor.statistics)
        there = [one for one in session.sentinels.values() if not isinstance(one.error, GONE)]
        working = [one for attached in there for one in attached.actors]
        return {**gates, **{one.name: await one.ask(SentinelActor.statistics) for one in working}}

    @verb
    def move(self, gate: str, to: str) -> Awaitable[float]:
        """Move a gate to another worker, while the network trains; returns the seconds that it paused.

        Its parameters, optimizer state and random state move along. Batches in flight at the gate are sent again; a
        gate is never updated twice with one.

        Parameters
        ----------
        to
            a worker's name, address or host.

        Raises
        ------
        SpecError
            when there is no such gate.
        PlacementError
            when there is no such worker.
        """
        return self._as_owner(move, check_name("a gate's name", gate), check_name("where a gate moves", to))

    @verb
    def drain(self, worker: str) -> Awaitable[Mapping[str, float]]:
        """Move all gates, and the owner's sentinels, off a worker that is to be retired.

        Returns the pause of each gate in seconds.

        Raises
        ------
        PlacementError
            when there is no such worker, or no other one has room.
        """
        return self._as_owner(drain, check_name("a worker to drain", worker))

    @verb
    def rebalance(self) -> Awaitable[Mapping[str, float]]:
        """Move gates so that the measured busy shares of the workers even out; returns each one's pause in seconds.

        Raises
        ------
        PlacementError
            when there is one worker only.
        """
        return self._as_owner(rebalance)

    def _as_owner(
        self, action: Callable[Concatenate[OwnerPolicy, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]:
        """Do something with the owner's policy: here, or in the owner's process."""
        session = self._connected

        async def act() -> T:
            session.check()
            if isinstance(session.policy, OwnerPolicy):
                return await action(session.policy, *args, **kwargs)
            return cast(T, await ask_owner(session.client, session.name, action.__name__, *args))

        return act()

    @verb
    def snapshot(self) -> Awaitable[Mapping[str, int]]:
        """Write a snapshot of every gate now, of one moment; returns the number of updates in each.

        `deploy(resume=...)` goes on there. A network without an owner makes no such cut: each of its gates writes its
        own then, to go back to when it is lost, and `resume` takes the last cut that there is.

        Raises
        ------
        CheckpointError
            when the network keeps none, or it cannot be written; when batches are still in flight after
            `akkordeon.snapshots.cut-deadline`.
        """
        return self._snapshot(self._connected)

    async def _snapshot(self, session: Session) -> Mapping[str, int]:
        try:
            return await self._as_owner(snapshot)
        except DeploymentError:
            session.check()
            return await session.on_gates(GateActor.snapshot)  # the network has no owner

    @verb
    def report(self, target: str | os.PathLike[str] = "run.html") -> Awaitable[None]:
        """Write the run into one HTML file that needs nothing else: curves, network, settings, passes, incidents.

        At any time: while it trains, before the first pass, after the end. The curves over time come from the
        scheduler; those that it does not have (any more) are missing, and the file says so.

        Parameters
        ----------
        target
            a path or fsspec URL; a local file is replaced in one step.

        Raises
        ------
        ReportError
            when it cannot be written; an earlier file is left as it was.
        """
        return _report.report_session(self._session, expand("report", target), owner=self.owner)

    @verb
    def close(self) -> Awaitable[None]:
        """Detach this client's sentinels and, as the owner, end the network: no thread, comm or key is left.

        May be called again.
        """
        coroutine = self._close()
        return coroutine if self._embedded is None else OnEmbeddedCluster(self._embedded, coroutine, last=True)

    async def _close(self) -> None:
        if self.client.status == "closed":  # keys and event loop went with it
            return
        if self._closing is None or (self._closing.done() and _failed(self._closing)):
            self._closing = begun(self._finish())
        await finished(self._closing)

    @property
    def _ends_with_program(self) -> bool:
        """The program that ends leaves nobody who could use the network: it has no name on a cluster that stays."""
        session, client = self._session, self.client
        reachable = not session.closed and client.status != "closed" and not client.asynchronous
        return reachable and (self._embedded is not None or not session.published)

    @property
    def _connected(self) -> Session:
        """The session, for verbs that need an open client.

        Raises
        ------
        ClosedError
            when the client is closed.
        """
        if self.client.status == "closed":
            raise closed_client(self.name)
        return self._session

    def _shown(
        self,
        progress: bool | None,
        chosen: Callable[[Attached], bool],
        own: bool,
        function: Callable[Concatenate[Session, P], Coroutine[Any, Any, T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Awaitable[T]:
        """Call a coroutine function with the session, and show the `chosen` sentinels where the user asks for that."""
        session = self._connected
        drawing = self._display.begin(check_flag("progress", progress, optional=True), chosen, mine=own)
        return draw_during(drawing, function(session, *args, **kwargs))


class AsyncRunning:
    """The verbs of a `Running` as coroutines, for an asynchronous client."""

    def __init__(self, running: Running) -> None:
        self.attach = _awaited(running.attach)
        self.detach = _awaited(running.detach)
        self.pause = _awaited(running.pause)
        self.resume = _awaited(running.resume)
        self.wait = _awaited(running.wait)
        self.wait_for = _awaited(running.wait_for)
        self.wait_closed = _awaited(running.wait_closed)
        self.evaluate = _awaited(running.evaluate)
        self.predict = _awaited(running.predict)
        self.parameters = _awaited(running.parameters)
        self.save = _awaited(running.save)
        self.load = _awaited(running.load)
        self.statistics = _awaited(running.statistics)
        self.move = _awaited(running.move)
        self.drain = _awaited(running.drain)
        self.rebalance = _awaited(running.rebalance)
        self.snapshot = _awaited(running.snapshot)
        self.report = _awaited(running.report)
        self.close = _awaited(running.close)


def _failed(task: "asyncio.Task[None]") -> bool:
    return task.cancelled() or task.exception() is not None


def _awaited(bound: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """A verb of an asynchronous client, with the type of the coroutine that it returns."""
    return cast(Callable[P, Coroutine[Any, Any, T]], bound)
