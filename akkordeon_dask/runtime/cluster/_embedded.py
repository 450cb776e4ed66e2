"""A cluster inside this process."""

import asyncio
import logging
import signal
import socket
import threading
import warnings
import weakref
from collections.abc import Coroutine, Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from multiprocessing import resource_tracker
from typing import Any, TypeVar

import dask.config
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster, Worker, WorkerPlugin
from distributed.core import Status
from distributed.protocol.pickle import dumps
from distributed.utils import format_dashboard_link, get_ip

from akkordeon_dask import config
from akkordeon_dask.dashboard import preload
from akkordeon_dask.runtime._sync import Blocking, block_on
from akkordeon_dask.runtime.cluster._linger import linger
from akkordeon_dask.runtime.cluster._links import bracketed
from akkordeon_dask.runtime.cluster._workers import end_drain

__all__ = ["WORKER_ENVIRONMENT", "EmbeddedCluster", "LogNoiseFilter", "OnEmbeddedCluster"]

T = TypeVar("T")

WORKER_ENVIRONMENT = {"MALLOC_TRIM_THRESHOLD_": "2147483647", "MALLOC_MMAP_THRESHOLD_": "1073741824"}
"""For the environment of worker processes: glibc then keeps the memory of large arrays for the next ones.
Dask's nanny by default asks for the opposite."""

_CALM = {
    "distributed.worker.profile.enabled": False,  # it samples the threads of tasks, and a gate has its own
    "distributed.admin.tick.interval": "200ms",
    "distributed.admin.system-monitor.interval": "1s",
}
"""Dask polls less often where it shares an interpreter with gates: by default it takes a thirtieth of a core of each
worker process, and a twentieth of this one's interpreter."""
_CALM_HERE = {**_CALM, "distributed.worker.memory.monitor-interval": "1s"}
"""In this process. A nanny looks more often: it ends a worker process whose memory grows too fast."""

_RETURN = "300s"
"""In which a nanny has started its worker process again."""

_ANSWER = 2.0
"""Seconds in which a worker answers that takes microseconds."""


class EmbeddedCluster:
    """A scheduler, workers and a client, with their own loop thread; all end with `close`.

    Parameters
    ----------
    processes
        0: one worker in this process; else that many worker processes.
    """

    def __init__(self, processes: int = 0) -> None:
        options: dict[str, Any] = {"n_workers": 1, "processes": False}
        if processes:
            options = {"n_workers": processes, "host": "127.0.0.1"}
        self._closing = threading.Lock()
        """Held while one caller closes it: Dask's clusters cannot be closed by two threads at once."""
        host, port = _free_dashboard()
        preload()
        kept = _interrupts_kept() if processes else nullcontext()
        calm = _CALM if processes else _CALM_HERE
        with ExitStack() as failed:
            with kept, _reduced_polling(calm), _no_word_of_ports(), _worker_environment():
                self.cluster = _Cluster(  # type: ignore[no-untyped-call]  # LocalCluster has no types
                    threads_per_worker=max(1, CPU_COUNT // max(1, processes)),
                    dashboard_address=f"{host}:{port}",
                    worker_dashboard_address=None,
                    **options,
                )
                failed.callback(self.cluster.close)  # an interrupt that was held back comes when this block ends
            self.cluster.dashboard_host = get_ip() if host == "0.0.0.0" else host
            self.client = Client(self.cluster)
            self.client.register_plugin(LogNoiseFilter())
            failed.pop_all()

    def close(self) -> None:
        """Stop client, workers and scheduler. Any thread may call it, and each returns when they have ended."""
        with self._closing:
            self.client.close()
            self.cluster.close()


class OnEmbeddedCluster(Blocking[T]):
    """A coroutine on an embedded cluster, which is closed where the coroutine fails, or after it where it is `last`."""

    def __init__(self, cluster: EmbeddedCluster, coroutine: Coroutine[Any, Any, T], *, last: bool = False) -> None:
        self._cluster, self._coroutine, self._last = cluster, coroutine, last

    def __await__(self) -> Generator[Any, Any, T]:
        return self._coroutine.__await__()

    def block(self) -> T:
        try:
            result = block_on(self._cluster.client, self._coroutine)
        except BaseException:
            self._cluster.close()
            raise
        if self._last:
            self._cluster.close()
        return result


class _Cluster(LocalCluster):
    """Knows the host where its dashboard listens: Dask takes the one in the scheduler's address.

    An in-process scheduler's address has the machine's own, where nobody may be listening. Its loop outlasts the last
    of Dask's senders. A worker process that has died has time to come back.
    """

    dashboard_host: str

    @property
    def dashboard_link(self) -> str:
        """The address of the dashboard; empty where there is none."""
        port = self.scheduler_info["services"].get("dashboard")
        return bracketed(format_dashboard_link(self.dashboard_host, port)) if port else ""

    def _update_worker_status(self, op: str, msg: Any) -> None:
        # On a machine that is busy a process needs longer than Dask's 15 s, after which its nanny would end too.
        with dask.config.set({"distributed.deploy.lost-worker-timeout": _RETURN}):
            super()._update_worker_status(op, msg)  # type: ignore[no-untyped-call]

    async def _close(self) -> None:
        await self._end_drains()
        await super()._close()  # type: ignore[no-untyped-call]
        await linger()

    async def _end_drains(self) -> None:
        """No actor has anywhere to go: else a worker would wait for those of a network that is still open."""
        scheduler = self.scheduler
        if scheduler is None or not scheduler.workers:
            return
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(_ANSWER):
                message = {"op": "run", "function": dumps(end_drain), "args": dumps(()), "kwargs": dumps({})}
                await scheduler.broadcast(msg=message, on_error="ignore")


class LogNoiseFilter(WorkerPlugin):
    """Drop records from a worker's log that Dask writes with a traceback, and that are no errors of the worker.

    These are an actor that could not be created: its client gets the error. And a heartbeat that was in flight when its
    worker closed (distributed 2026.8.0 cancels it, and logs that it failed).
    """

    name = "akkordeon-quiet"

    def setup(self, worker: Worker) -> None:
        """Begin when the worker does; end when it is no more, for its last heartbeat outlasts its plugins."""
        noise = _NoiseFilter(weakref.ref(worker))
        _WORKER_LOG.addFilter(noise)
        weakref.finalize(worker, _WORKER_LOG.removeFilter, noise)


_WORKER_LOG = logging.getLogger("distributed.worker")


class _NoiseFilter(logging.Filter):
    """Of one worker."""

    def __init__(self, worker: "weakref.ref[Worker]") -> None:
        super().__init__()
        self._worker = worker

    def filter(self, record: logging.LogRecord) -> bool:
        text, worker = record.getMessage(), self._worker()
        if text.startswith("Failed to communicate with scheduler during heartbeat"):
            return worker is None or worker.status is not Status.closing
        return not text.startswith("Compute Failed\nKey:       akkordeon-")


def _reduced_polling(calm: Mapping[str, Any]) -> dask.config.set:
    """For a cluster that is made meanwhile; values that the user has configured stay."""
    own = dask.config.merge(*dask.config.defaults)
    return dask.config.set(
        {key: value for key, value in calm.items() if dask.config.get(key) == dask.config.get(key, config=own)}
    )


@contextmanager
def _interrupts_kept() -> Iterator[None]:
    """Hold Ctrl-C back for now, and for good in the threads that begin in here and the processes that they start.

    A terminal sends it to all processes. Workers shall not end by it, but when their owner ends them.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # At its first use it would lift the block of the thread that uses it.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _worker_environment() -> Iterator[None]:
    """Have nannies start processes with it: glibc reads it before Python begins, `LocalCluster(env=)` comes later."""
    key = "distributed.nanny.pre-spawn-environ"
    with dask.config.set({key: {**dask.config.get(key, {}), **WORKER_ENVIRONMENT}}):
        yield


@contextmanager
def _no_word_of_ports() -> Iterator[None]:
    """Let Dask take another port for the dashboard where another process was quicker: the link shows which."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\s*Port \d+ is already in use", UserWarning)
        yield


def _free_dashboard() -> tuple[str, int]:
    """Host and port of the dashboard as configured; port 0, which is any free one, where that one is taken."""
    host, port = config.host_and_port("embedded.dashboard-address")
    host = host or "127.0.0.1"
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return host, 0
    return host, port
