"""A user's script, which a type checker reads and nobody runs: behind each `reveal_type` is the type to be found."""

from typing import reveal_type

import numpy as np
from distributed import Client

from akkordeon_dask import Network, Sentinel, adopt, callbacks, connect, data, deploy, pause, plan, resume, status, stop
from akkordeon_dask.runtime import report

x = np.zeros((4, 784), np.float32)
train, test = Sentinel.train(data.mnist("train")), Sentinel.test(data.mnist("test"))


def of_columns(frame: object, targets: list[str]) -> None:
    reveal_type(data.from_dask(frame, target=targets))  # Provider
    reveal_type(data.from_dask(frame, target="tip"))  # Provider
    data.csv(3, targets)  # error


def synchronous(network: Network, client: Client) -> None:
    with deploy(network) as embedded:
        reveal_type(embedded)  # Running
    running = deploy(network, client, name="digits", seed=3)
    reveal_type(running)  # Running
    reveal_type(deploy(network[0]))  # Running
    reveal_type(connect("digits", client))  # Running
    reveal_type(adopt("digits", client))  # Running
    reveal_type(plan(network, client, timeout="5s"))  # Plan
    reveal_type(stop("digits", client))  # bool
    reveal_type(pause("digits", client))  # tuple[str, ...]
    reveal_type(resume("digits", client))  # tuple[str, ...]
    reveal_type(status(client))  # tuple[NetworkStatus, ...]
    reveal_type(report("digits", client, "run.html"))  # None
    reveal_type(running.name)  # str
    reveal_type(running.network)  # Network
    reveal_type(running.client)  # Client
    reveal_type(running.owner)  # bool
    reveal_type(running.placement)  # Mapping[str, str]
    reveal_type(running.sentinels)  # Mapping[str, Attached]
    reveal_type(running.history)  # History
    reveal_type(running.history[0])  # PassReport
    reveal_type(running.history[1:])  # History
    reveal_type(running.passes(mine=True))  # History
    reveal_type(running.subscribe(print))  # def ()
    reveal_type(running.attach(train, epochs=2))  # Attached
    reveal_type(running.attach(train).reports)  # PassLog
    reveal_type(running.detach("train"))  # None
    reveal_type(running.pause())  # None
    reveal_type(running.resume())  # None
    reveal_type(running.attach)  # def (sentinel: Sentinel, *, epochs: int | None =, resume: bool | None =) -> Attached
    reveal_type(running.wait(epochs=2))  # History
    reveal_type(running.wait(callbacks=[callbacks.EarlyStopping("validate0.loss"), print]))  # History
    reveal_type(running.add_callback(print))  # def ()
    reveal_type(running.wait_for(running.sentinels["train"]))  # None
    reveal_type(running.wait_closed())  # None
    reveal_type(running.evaluate(test))  # PassReport
    reveal_type(running.predict(x, batch_size=2))  # ndarray[tuple[Any, ...], dtype[Any]]
    reveal_type(running.parameters())  # dict[str, Any]
    reveal_type(running.save("digits.safetensors"))  # None
    reveal_type(running.load("digits.safetensors"))  # None
    reveal_type(running.statistics())  # dict[str, GateStatistics | SentinelStatistics]
    reveal_type(running.move("g0", "alice"))  # float
    reveal_type(running.drain("alice"))  # Mapping[str, float]
    reveal_type(running.rebalance())  # Mapping[str, float]
    reveal_type(running.snapshot())  # Mapping[str, int]
    reveal_type(running.report("run.html"))  # None
    reveal_type(running.close())  # None
    running.wait(epochs="two")  # error


async def asynchronous(network: Network, client: Client) -> None:
    async with await deploy.aio(network, client=client) as running:
        reveal_type(running)  # Running
        reveal_type(await running.aio.attach(train))  # Attached
        reveal_type(await running.aio.wait(epochs=2, progress=False))  # History
        reveal_type(running.history)  # History
        reveal_type(await running.aio.evaluate(test))  # PassReport
        reveal_type(await running.aio.rebalance())  # Mapping[str, float]
        reveal_type(await running.aio.close())  # None
        reveal_type(running.aio.close)  # def () -> Coroutine[Any, Any, None]
        await running.aio.wait(epochs="two")  # error
    reveal_type(await connect.aio("digits", client))  # Running
    reveal_type(await adopt.aio("digits", client))  # Running
    reveal_type(await plan.aio(network, client))  # Plan
    reveal_type(await stop.aio("digits", client))  # bool
    reveal_type(await pause.aio("digits", client))  # tuple[str, ...]
    reveal_type(await status.aio(client))  # tuple[NetworkStatus, ...]
    reveal_type(await report.aio("digits", client, "run.html"))  # None
