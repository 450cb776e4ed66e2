"""Verbs: one coroutine each, for callers who wait and for callers who await."""

import asyncio
import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar, cast, get_args

from distributed import Client

from akkordeon_dask.errors import ClosedError, SpecError

__all__ = ["Calling", "Verb", "check_asynchronous", "verb"]

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


def verb(function: Callable[P, Awaitable[T]]) -> Verb[P, T]:
    """Turn a function that returns an awaitable into a verb.

    With a synchronous client the verb blocks and returns the awaitable's result, with an asynchronous one it returns a
    coroutine of it. The client is the argument `client`, or else the attribute `client` of the first argument.

    Parameters
    ----------
    function
        runs in the caller's thread, so that what it checks raises at the call; the awaitable runs on the client's event
        loop. For a synchronous client an awaitable that has a method `block` is not awaited: `block()` gives the
        result, in the caller's thread.

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
        awaitable = function(*args, **kwargs)
        client = _client_of(signature, args, kwargs)
        asynchronous = client is not None and client.asynchronous
        return _awaited(awaitable) if asynchronous else _wait(client, awaitable)

    @functools.wraps(function)
    def aio(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        check_asynchronous(_client_of(signature, args, kwargs), f"{function.__name__}.aio")
        return _awaited(function(*args, **kwargs))

    result = signature.return_annotation
    if not inspect.iscoroutinefunction(function):
        (result,) = get_args(result)
    call.__signature__ = signature.replace(return_annotation=result)  # type: ignore[attr-defined]
    call.__annotations__ = {**function.__annotations__, "return": result}
    aio.__name__, aio.__qualname__ = "aio", f"{function.__qualname__}.aio"
    call.aio = aio  # type: ignore[attr-defined]
    return cast(Verb[P, T], call)


def check_asynchronous(client: Client | None, label: str) -> None:
    """A client whose verbs are awaited.

    Raises
    ------
    SpecError
        when it is none.
    """
    if client is None or not client.asynchronous:
        raise SpecError(f"{label} takes an asynchronous client: write Client(..., asynchronous=True)")


def _client_of(signature: inspect.Signature, args: Any, kwargs: Any) -> Client | None:
    if "client" not in signature.parameters:
        return cast(Client, args[0].client)
    return cast("Client | None", signature.bind(*args, **kwargs).arguments.get("client"))


def _wait(client: Client | None, awaitable: Awaitable[T]) -> T:
    """The result of an awaitable, in the caller's thread."""
    if client is None or hasattr(awaitable, "block"):
        return cast(T, awaitable.block())  # type: ignore[attr-defined]
    if client.status == "closed":  # its event loop went with it, and a coroutine that is called all the same knows that
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, _awaited(awaitable)).result()
    try:
        return cast(T, client.sync(lambda: awaitable))
    finally:
        if inspect.iscoroutine(awaitable) and inspect.getcoroutinestate(awaitable) == inspect.CORO_CREATED:
            awaitable.close()  # the event loop was gone before it began


def _awaited(awaitable: Awaitable[T]) -> Coroutine[Any, Any, T]:
    return awaitable if inspect.iscoroutine(awaitable) else _await(awaitable)


async def _await(awaitable: Awaitable[T]) -> T:
    return await awaitable


class Calling(ABC):
    """Calls its verbs on the client's event loop: with an asynchronous client they give awaitables.

    A context, `with` or `async with`: it closes at the end.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called in errors."""

    @property
    @abstractmethod
    def client(self) -> Client:
        """On whose loop the verbs run."""

    @abstractmethod
    async def _close(self) -> None: ...

    def close(self) -> Any:
        """Detach this client's sentinels and, as the owner, end the network: no thread, comm or key is left.

        May be called again.
        """
        return self._sync(self._close)

    def _sync(self, function: Callable[..., Any], *args: Any) -> Any:
        if self.client.status == "closed" and not self.client.asynchronous:
            return self._without_client(function)
        return self.client.sync(self._call, function, *args)

    async def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        return self._without_client(function) if self.client.status == "closed" else await function(*args)

    def _without_client(self, function: Callable[..., Any]) -> None:
        """Its keys and its event loop went with the client: there is nothing to close, and nothing to call."""
        if function != self._close:
            raise ClosedError(f"the client of network {self.name!r} is closed: deploy or connect with another one")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()
