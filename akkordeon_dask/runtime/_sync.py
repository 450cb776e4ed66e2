"""Verbs: one coroutine each, for callers who wait and for callers who await."""

import asyncio
import functools
import inspect
import os
import threading
import weakref
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, get_args

from distributed import Client

from akkordeon_dask.errors import ClosedError, DeploymentError, SpecError
from akkordeon_dask.runtime._cut_short import GRACE, close_unstarted, cuttable, revoked

__all__ = ["Blocking", "Interruptible", "Verb", "block_on", "check_asynchronous", "check_process", "verb"]

P = ParamSpec("P")
Rest = ParamSpec("Rest")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Host = TypeVar("Host")


class Verb(Protocol[P, T_co]):
    """A verb as a type checker sees it. At run time it is a function, or a method where a class defines it."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co:
        """The result; at run time, with an asynchronous client, a coroutine of it."""

    def aio(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T_co]:
        """The same for asynchronous clients alone, typed as the coroutine that it returns."""

    def __get__(self: "Verb[Concatenate[Host, Rest], T_co]", host: Host, kind: type[Host]) -> Callable[Rest, T_co]: ...


class Blocking(Awaitable[T_co]):
    """An awaitable with a way of its own to make a synchronous caller wait."""

    @abstractmethod
    def block(self) -> T_co:
        """The result. Called instead of awaiting it, in the caller's thread."""


def verb(function: Callable[P, Awaitable[T]]) -> Verb[P, T]:
    """Turn a function that returns an awaitable into a verb.

    With a synchronous client the verb blocks and returns the awaitable's result, with an asynchronous one it returns a
    coroutine of it. The client is the argument `client`, or else the attribute `client` of the first argument.
    Where the caller is interrupted or cancelled, the awaitable is cancelled once, and the caller waits for its end.

    Parameters
    ----------
    function
        runs in the caller's thread, so that what it checks raises at the call; the awaitable runs on the client's event
        loop.

    Examples
    --------
    >>> @verb
    ... def stop(name: str, client: Client) -> Awaitable[bool]:
    ...     return _stop(check_name("a network's name", name), check_client(client))
    >>> stop.__annotations__["return"]
    <class 'bool'>
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T | Coroutine[Any, Any, T]:
        client = _client_of(signature, args, kwargs)
        check_process(client)
        awaitable = function(*args, **kwargs)
        if client is not None and client.asynchronous:
            return cuttable(awaitable)
        if isinstance(awaitable, Blocking):
            return cast(Blocking[T], awaitable).block()
        assert client is not None
        return block_on(client, awaitable)

    @functools.wraps(function)
    def aio(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        client = _client_of(signature, args, kwargs)
        check_asynchronous(f"{function.__name__}.aio", client)
        check_process(client)
        return cuttable(function(*args, **kwargs))

    result = signature.return_annotation
    if not inspect.iscoroutinefunction(function):
        (result,) = get_args(result)
    call.__signature__ = signature.replace(return_annotation=result)  # type: ignore[attr-defined]
    call.__annotations__ = {**function.__annotations__, "return": result}
    aio.__name__, aio.__qualname__ = "aio", f"{function.__qualname__}.aio"
    call.aio = aio  # type: ignore[attr-defined]
    return cast(Verb[P, T], call)


def check_asynchronous(label: str, client: Client | None) -> None:
    """A client whose verbs are awaited.

    Raises
    ------
    SpecError
        when it is a synchronous one, None, or one of another event loop.
    """
    if client is None or not client.asynchronous:
        raise SpecError(
            f"{label} takes an asynchronous client: write Client(..., asynchronous=True), and await this on the event "
            "loop that made the client"
        )


_processes: "weakref.WeakKeyDictionary[Client, int]" = weakref.WeakKeyDictionary()
"""The process that first used a client. A forked child has a copy; threads only add entries."""


def check_process(client: Client | None) -> None:
    """Check that a client was not made by the process that this one was forked from.

    Raises
    ------
    DeploymentError
        when it was: its event loop did not come along, and any call would wait for ever.
    """
    if not isinstance(client, Client):  # the verb itself says what it takes
        return
    if (maker := _processes.setdefault(client, os.getpid())) == os.getpid():
        return
    raise DeploymentError(
        f"process {os.getpid()} was forked from process {maker}, whose client {client.id} does not work here: make a "
        "Client of its own in the child and connect(name, client), or start processes by multiprocessing's 'spawn'"
    )


def block_on(client: Client, awaitable: Awaitable[T]) -> T:
    """The result of an awaitable that runs on a synchronous client's event loop.

    A caller who presses Ctrl-C waits until the awaitable has undone, or ended, its work: at most 5 s, or until Ctrl-C
    comes again. A closed client has no event loop any more: then the awaitable runs on a loop of its own.
    """
    if client.status == "closed":
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, cuttable(awaitable)).result()
    check_process(client)
    _check_loop(client, awaitable)
    call = Interruptible(client, awaitable)
    try:
        return cast(T, client.sync(call.run))
    except KeyboardInterrupt:
        call.interrupt()
        raise
    finally:
        close_unstarted(awaitable)  # the event loop had ended


def _check_loop(client: Client, awaitable: Awaitable[object]) -> None:
    """Check that somebody runs the event loop that an awaitable is to run on, which would wait for ever.

    Raises
    ------
    SpecError
        when nobody does.
    """
    if not client.loop.asyncio_loop.is_running():  # type: ignore[union-attr]
        close_unstarted(awaitable)
        raise SpecError(
            f"client {client.id} is asynchronous, and the event loop that made it does not run: await verbs there, or "
            "make a Client of its own here and connect(name, client)"
        )


class Interruptible(Generic[T]):
    """An awaitable that runs on an event loop while its caller waits in another thread, which may be interrupted."""

    def __init__(self, client: Client, awaitable: Awaitable[T]) -> None:
        self._client, self._awaitable = client, awaitable
        self._task: asyncio.Task[Any] | None = None
        self._interrupted = False

    async def run(self) -> T:
        """The result. On the event loop.

        Raises
        ------
        ClosedError
            when the client is closed meanwhile, and its event loop ends.
        """
        self._task = asyncio.current_task()
        if self._interrupted:
            raise asyncio.CancelledError
        try:
            return await cuttable(self._awaitable)
        except asyncio.CancelledError:
            if self._interrupted or self._client.status not in ("closing", "closed"):
                raise
            # Dask's `sync` knows no cancellation: it would fail at a result that it does not have.
            raise ClosedError(
                f"client {self._client.id} was closed, by another thread: make another one, deploy or connect with it"
            ) from None

    def interrupt(self) -> None:
        """Cancel it, and wait for the end of its cleanup. In the caller's thread."""
        settled = threading.Event()

        async def settle() -> None:
            try:
                await self._undo()
            finally:
                settled.set()

        self._client.loop.add_callback(settle)  # type: ignore[union-attr]
        settled.wait(GRACE)

    async def _undo(self) -> None:
        self._interrupted, task = True, self._task
        if task is None:
            return
        if not task.cancelling():  # Dask cancels it too, unless the interrupt came between two of its waits
            task.cancel()
        await asyncio.wait([task])
        await revoked(self._awaitable, task)


def _client_of(signature: inspect.Signature, args: Any, kwargs: Any) -> Client | None:
    if "client" not in signature.parameters:
        return cast(Client, args[0].client)
    return cast("Client | None", signature.bind(*args, **kwargs).arguments.get("client"))
