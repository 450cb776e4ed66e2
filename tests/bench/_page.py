"""The cost of the dashboard's page for the cluster."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import psutil
from bokeh.util.token import generate_jwt_token, generate_session_id
from tornado.websocket import websocket_connect

from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim
from akkordeon_dask.messages import TOPIC, Mode, PassReport
from akkordeon_dask.telemetry import network_telemetry
from tests.support.dashboard_clusters import PRELOAD, started_cluster

_BEGUN = 20
"""Messages of the server after which the page is there: two or three updates."""


class Phase(NamedTuple):
    """A span of training."""

    watched: bool
    """The page was open."""
    samples: int
    cpu: float
    """Seconds of scheduler and workers."""
    scheduler: float
    """Of them, the scheduler's."""
    seconds: float

    @property
    def cost(self) -> float:
        """Microseconds of CPU a sample."""
        return 1e6 * self.cpu / self.samples

    @property
    def share(self) -> float:
        """Of a core, the scheduler's."""
        return self.scheduler / self.seconds


def page_memory(hours: int) -> Iterator[tuple[int, float, int]]:
    """Hold the page open for hours of updates, fifty times as fast: updates, the scheduler's resident MiB, rows."""
    quick = {"DASK_AKKORDEON__DASHBOARD__INTERVAL": "20ms"}
    sgd = optim.SGD(0.05)
    network = Gate(nn.Scale(33.3, 78.6) >> nn.Linear(784, 20), sgd) | Gate(nn.Linear(20, 10), sgd)
    with started_cluster(*PRELOAD, **quick) as (scheduler, client), deploy(network, client, name="hours") as running:
        running.attach(Sentinel.train(data.mnist("train"), batch_size=1000, concurrency=1))
        process = psutil.Process(scheduler.program.process.pid)
        with _watched(scheduler.url()):
            begun = client.run_on_scheduler(network_telemetry, "hours").history.rows
            for quarter in range(4 * hours + 1):
                while (
                    rows := client.run_on_scheduler(network_telemetry, "hours").history.rows - begun
                ) < 900 * quarter:
                    threading.Event().wait(0.5)
                yield rows, process.memory_info().rss / 2**20, len(client.get_events(TOPIC))


def page_cost(rounds: int, seconds: float, passes: int) -> Iterator[Phase]:
    """Train with the page open and without, in turn, once so many passes are known; two phases a round."""
    gates = (
        Gate(nn.Scale(33.3, 78.6) >> nn.Linear(784, 50) >> nn.ReLU(), optim.SGD(0.05), workers="alice")
        | Gate(nn.Linear(50, 20) >> nn.ReLU(), optim.SGD(0.05), workers="bob")
        | Gate(nn.Linear(20, 10), optim.SGD(0.05), workers="bob")
    )
    with started_cluster(*PRELOAD) as (scheduler, client), deploy(gates, client) as running:
        running.attach(Sentinel.train(data.mnist("train"), batch_size=1024, concurrency=5))
        running.attach(Sentinel.validate(data.mnist("test"), batch_size=1024, every="5s"))
        pids = [scheduler.program.process.pid, *client.run(_pid).values()]
        processes = [psutil.Process(pid) for pid in pids]
        client.run_on_scheduler(_tell_passes, running.name, passes)
        _phase(client, processes, seconds)
        for number in range(2 * rounds):
            watched = number % 4 in (0, 3)  # neither always comes first
            with _watched(scheduler.url()) if watched else _nobody():
                yield Phase(watched, *_phase(client, processes, seconds))


def _tell_passes(network: str, passes: int, dask_scheduler: Any) -> None:
    """Passes as if the two sentinels had been at work before."""
    for epoch in range(1 - passes, 1):
        mode: Mode = "validate" if epoch % 15 == 0 else "train"
        loss, scores = 2.0 + epoch / 1e6, {"accuracy": 0.5 - epoch / 1e6}
        one = PassReport(f"{mode}0", mode, epoch, loss, scores, 60_000, 0, 0.3, 0)
        dask_scheduler.log_event(TOPIC, {"network": network, "event": "pass", **one.as_dict()})


def _pid() -> int:
    return psutil.Process().pid


def _phase(client: Any, processes: list[psutil.Process], seconds: float) -> tuple[int, float, float, float]:
    samples, cpu, mine, begun = _samples(client), _cpu(processes), _cpu(processes[:1]), time.monotonic()
    threading.Event().wait(seconds)
    cpu, mine = _cpu(processes) - cpu, _cpu(processes[:1]) - mine
    return _samples(client) - samples, cpu, mine, time.monotonic() - begun


def _cpu(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _samples(client: Any) -> int:
    """Samples of training that came home, as the gates tell themselves."""
    told = client.run(_answering).values()
    return sum(figures["backwards"] for gates in told for figures in gates if figures["name"] == "g0")


def _answering(dask_worker: Any) -> list[dict[str, Any]]:
    return dask_worker.metrics[TOPIC](dask_worker)["gates"]


@contextmanager
def _watched(url: str) -> Iterator[None]:
    """The page, held open by a session of Bokeh that takes every update and looks at none."""
    ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(asyncio.run, _hold(url, ready))
        loop, stop = ready.result(30)
        yield
        loop.call_soon_threadsafe(stop.set)
        messages = held.result(30)
    assert messages > 0, "the page sent nothing"


async def _hold(url: str, ready: "Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]") -> int:
    token = generate_jwt_token(generate_session_id())
    address = f"{url.replace('http', 'ws', 1)}/ws"
    connection = await websocket_connect(address, subprotocols=["bokeh", token], max_message_size=2**30)
    stop, messages = asyncio.Event(), 0
    stopped = asyncio.create_task(stop.wait())
    while not stop.is_set():
        reading = asyncio.ensure_future(connection.read_message())
        await asyncio.wait([reading, stopped], return_when=asyncio.FIRST_COMPLETED)
        assert not reading.done() or reading.result() is not None, "the dashboard closed the page"
        messages += 1
        if messages == _BEGUN:  # making the page, and sending all that it shows, is not what it costs to hold it open
            ready.set_result((asyncio.get_running_loop(), stop))
    connection.close()
    return messages


@contextmanager
def _nobody() -> Iterator[None]:
    yield
