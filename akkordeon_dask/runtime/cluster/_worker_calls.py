"""Calls to actors share connections: however many of a worker's actors a client waits for, two are open."""

import asyncio
import math
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from distributed import Client, Future
from distributed.protocol.pickle import dumps, loads

from akkordeon_dask import config
from akkordeon_dask.actors import CALLS_OP

__all__ = ["GONE", "call_on_worker", "poll_seconds"]

T = TypeVar("T")

GONE = ("error", "lost", "cancelled")
"""States of an actor's future in which the actor is not there any more."""

_POLL = 1.0
"""Seconds, at most, that a worker waits until it answers that nothing has happened."""
_CHECK = 0.25
"""Seconds between two looks at those calls whose answers may never come."""
_SLOW = 2.0
"""Seconds after which a request that has no answer is not waited for: other connections are opened beside it."""


async def call_on_worker(
    client: Client,
    worker: str,
    actor: str,
    method: Callable[..., Awaitable[T]],
    args: tuple[Any, ...],
    options: Mapping[str, Any],
    *,
    future: Future[Any] | None = None,
    silence: float = math.inf,
) -> T:
    """Call a method of an actor, together with other calls to actors of its worker. On the client's event loop.

    Arguments and answer should be small, for others wait behind them.

    Parameters
    ----------
    future
        the actor's: its status may tell that the actor is gone, while the worker does not answer.
    silence
        seconds without any answer of the worker after which this call fails.

    Raises
    ------
    TimeoutError
        when there was no answer of the worker for so long.
    OSError
        when the connection to it breaks, or the actor is gone.
    Exception
        that the method raised; a KeyError where the worker does not have the actor.
    """
    key = (client.id, worker)
    calls = _calls.get(key)
    if calls is None:
        calls = _calls[key] = _WorkerCalls(client, worker)
    answer: T = await calls.call(_Call(actor, method.__name__, dumps((args, options)), future, silence))
    return answer


_calls: "dict[tuple[str, str], _WorkerCalls]" = {}
"""By client and worker, for as long as calls wait. Each is added, used and removed on its client's event loop."""


def poll_seconds() -> float:
    """The seconds in which a worker that is well answers at least once."""
    return min(_POLL, config.seconds("supervision.patience") / 4)


class _Call:
    """A call that waits for its answer."""

    def __init__(self, actor: str, method: str, arguments: bytes, future: Future[Any] | None, silence: float) -> None:
        loop = asyncio.get_running_loop()
        self.actor, self.method, self.arguments, self.future, self.silence = actor, method, arguments, future, silence
        self.begun = loop.time()
        self.answer: asyncio.Future[Any] = loop.create_future()

    def finish(self, value: bytes, *, failed: bool) -> None:
        if self.answer.done():
            return
        try:
            result = loads(value)
        except Exception as error:
            failed, result = True, error
        if failed:
            self.fail(result)
        else:
            self.answer.set_result(result)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class _Request:
    """A request to the worker, and the task that waits for its answer."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.begun = seconds, asyncio.get_running_loop().time()
        self.sent = False
        self.task: asyncio.Task[None] | None = None

    def answers_in_time(self, now: float) -> bool:
        return now < self.begun + self.seconds + _SLOW


class _WorkerCalls:
    """A client's calls to the actors of one worker. One request waits for their answers, others bring more calls."""

    def __init__(self, client: Client, worker: str) -> None:
        self._client, self._worker = client, worker
        self._name = uuid.uuid4().hex
        self._number = 0
        self._waiting: dict[int, _Call] = {}
        self._unsent: dict[int, _Call] = {}
        self._requests: set[_Request] = set()
        self._last_answer = self._checked = asyncio.get_running_loop().time()
        """The times of the worker's last answer and of the last check."""
        self._timer: asyncio.TimerHandle | None = None

    async def call(self, call: _Call) -> Any:
        self._number = number = self._number + 1
        self._waiting[number] = self._unsent[number] = call
        if self._timer is None:
            self._check()
        self._send()
        try:
            return await call.answer
        finally:
            self._waiting.pop(number, None)
            self._unsent.pop(number, None)
            if not self._waiting:
                await self._end()

    def _send(self) -> None:
        """Begin a request that waits for answers where there is none, or one that only brings new calls."""
        now = asyncio.get_running_loop().time()
        current = [one for one in self._requests if one.answers_in_time(now)]
        if not self._waiting or any(not one.sent for one in current):  # that one brings all
            return
        polls = any(one.seconds for one in current)
        if not polls or (self._unsent and all(one.seconds for one in current)):
            request = _Request(0.0 if polls else poll_seconds())
            self._requests.add(request)
            request.task = asyncio.get_running_loop().create_task(self._exchange(request))

    async def _exchange(self, request: _Request) -> None:
        try:
            async with asyncio.timeout(request.seconds + config.seconds("timeouts.control")):
                if not await self._connect():
                    return  # the next check begins another request
                request.sent, calls, self._unsent = True, self._unsent, {}
                batch = [(number, one.actor, one.method, one.arguments) for number, one in calls.items()]
                answers = await self._request({"sender": self._name, "calls": batch, "seconds": request.seconds})
        except TimeoutError:  # the calls have deadlines of their own
            return
        except Exception as error:
            self._break(error)
            return
        finally:
            self._requests.discard(request)
        self._last_answer = asyncio.get_running_loop().time()
        for number, failed, value in answers:
            if (call := self._waiting.pop(number, None)) is not None:
                call.finish(value, failed=failed)
        self._send()

    async def _connect(self) -> bool:
        """Have a free connection to the scheduler, which hands calls on; False where none can be made just now.

        That is no word of the worker, and no call was sent.

        Raises
        ------
        OSError
            when the scheduler or the client is gone: no call waits to be sent then.
        """
        client = self._client
        if client.direct_to_workers:
            return True
        try:
            if client.scheduler is None:
                raise OSError(f"client {client.id} is closed")
            address = str(client.scheduler.address)
            client.rpc.reuse(address, await client.rpc.connect(address))
        except OSError:
            if client.status == "running":
                return False
            self._unsent = {}
            raise
        return True

    async def _request(self, message: dict[str, Any]) -> Any:
        client = self._client
        if client.direct_to_workers:
            return await getattr(client.rpc(self._worker), CALLS_OP)(**message)
        assert client.scheduler is not None
        return await client.scheduler.proxy(worker=self._worker, msg={"op": CALLS_OP, **message})

    def _break(self, error: Exception) -> None:
        """The connection is broken: calls that were sent have no answer."""
        for number in list(self._waiting.keys() - self._unsent.keys()):
            self._waiting.pop(number).fail(OSError(f"no answer of {self._worker}: {error!r}"))
        self._send()

    def _check(self) -> None:
        """Fail the calls whose actors are gone, or whose worker has been silent for too long."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._last_answer += max(0.0, now - self._checked - _CHECK)  # this process stood still itself
        self._checked = now
        for number, call in list(self._waiting.items()):
            if call.future is not None and call.future.status in GONE:
                self._waiting.pop(number).fail(OSError(f"the actor's key is {call.future.status}"))
            elif now > max(self._last_answer, call.begun) + call.silence:
                self._waiting.pop(number).fail(TimeoutError())
        self._send()
        self._timer = loop.call_later(_CHECK, self._check)

    async def _end(self) -> None:
        """Nothing waits any more. A request that still does would keep its connection."""
        key = (self._client.id, self._worker)
        if _calls.get(key) is self:
            del _calls[key]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        tasks = [one.task for one in self._requests if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
