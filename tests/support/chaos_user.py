"""Somebody who trains whatever happens: `python -m tests.support.chaos_user FILE FOLDER`. Tells of it in JSON."""

import asyncio
import contextlib
import json
import logging
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import click
from distributed import Client

from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim
from akkordeon_dask.actors import GateActor
from akkordeon_dask.actors.transport._link import LINK_OP
from akkordeon_dask.errors import AkkordeonError
from akkordeon_dask.runtime.cluster._workers import list_workers
from tests.support.leftovers import wait_until

NAME, SAMPLES = "chaos", 60_000
_ATTEMPTS = 10
_POLL, _ANSWER = 0.1, 0.25
"""Seconds between two questions to a gate, and for its answer: together, how exact the time of a recovery is."""


@dataclass(frozen=True, repr=False)
class Hangs(nn.Layer):
    """Hands on what comes, but hangs while a file is there, for half a minute at most."""

    path: str

    def forward(self, params, x, *, train=False, key=None, own=False):
        end = time.monotonic() + 30
        while os.path.exists(self.path) and time.monotonic() < end:
            time.sleep(0.05)
        return x, None

    def backward(self, context, dy, *, need_dx=True, own=False):
        return dy.copy(), {}


def network(folder):
    """784-50-20-10, wherever there is room; a layer of it hangs while there is a file `hangs`."""
    return (
        Gate(nn.Scale(33.3, 78.6) >> nn.Linear(784, 50) >> nn.ReLU(), optim.DCASGDa(5e-3))
        | Gate(Hangs(str(folder / "hangs")) >> nn.Linear(50, 20) >> nn.ReLU(), optim.DCASGDa(5e-3))
        | Gate(nn.Linear(20, 10), optim.DCASGDa(2e-3))
    )


def say(**what: object) -> None:
    click.echo(json.dumps(what))


class Watch:
    """Asks every gate again and again how far it is, and writes it down. Tasks on the client's event loop."""

    def __init__(self, session, file) -> None:
        self._session, self._file = session, file
        self._future = asyncio.run_coroutine_threadsafe(self._run(), session.client.loop.asyncio_loop)

    def end(self) -> None:
        """Stop it."""
        self._future.cancel()
        with contextlib.suppress(BaseException):
            self._future.exception(timeout=10)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._place())
            for gate in self._session.gates:
                tasks.create_task(self._follow(gate))

    async def _place(self) -> None:
        names: dict[str, str] = {}
        said: object = None
        while True:
            placed = {gate.name: gate.worker for gate in self._session.gates}
            there: list[str] = []
            with contextlib.suppress(OSError, AkkordeonError):
                workers = await list_workers(self._session.client)
                names.update({worker.address: worker.name for worker in workers})
                there = sorted(worker.name for worker in workers)
            if said != (placed, there):
                said = placed, there
                say(placement={gate: names.get(worker, "") for gate, worker in placed.items()}, workers=there)
            await asyncio.sleep(_POLL)

    async def _follow(self, gate) -> None:
        while True:
            asked, key = time.monotonic(), gate.address.actor
            with contextlib.suppress(AkkordeonError, TimeoutError):
                async with asyncio.timeout(_ANSWER):
                    seen = await gate.ask(GateActor.statistics)
                line = {"gate": gate.name, "asked": asked, "at": time.monotonic(), "worker": seen.worker}
                line |= {"key": key, "updates": seen.counts.updates, "version": seen.version}
                if gate.address.actor == key:  # else it is not known which incarnation has answered
                    self._file.write(json.dumps(line) + "\n")
            await asyncio.sleep(_POLL)


def left(dask_worker):
    """Everything of ours that is on a worker."""
    office = dask_worker.plugins.get("akkordeon-post-office")
    kept = [*office._cells, *office.links, *office.claims] if office is not None else []
    threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("akkordeon")]
    comms = [op for op in dask_worker._comms.values() if op == LINK_OP]
    return [*kept, *threads, *comms, *dask_worker.state.actors]


def left_there(dask_scheduler):
    """The same on the scheduler."""
    return [*map(str, dask_scheduler.tasks), *dask_scheduler.extensions["publish"].datasets]


def nothing_is_left(client) -> None:
    """Wait until that is so."""

    def there():
        found = client.run(left) | {"scheduler": client.run_on_scheduler(left_there)}
        return {where: what for where, what in found.items() if what}

    wait_until(lambda: not there(), within=120, seen=there)


def deployed(folder, client, **options):
    """The network, where a busy machine may need more than one attempt: nothing has gone wrong on purpose yet."""
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(AkkordeonError):
            return deploy(network(folder.absolute()), client, **options)
    return deploy(network(folder.absolute()), client, **options)


@click.command()
@click.argument("scheduler_file")
@click.argument("folder", type=Path)
@click.option("--seed", default=0)
def main(scheduler_file, folder, seed) -> None:
    """Train until the file `enough` is there, rate, look what is left."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    for name in ("distributed", "tornado", "bokeh", "asyncio"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with Client(scheduler_file=scheduler_file, timeout="600s") as client, (folder / "figures").open("w") as figures:
        client.wait_for_workers(3, timeout=300)
        kept, enough = folder / "snapshots", folder / "enough"
        with deployed(folder, client, name=NAME, seed=seed, snapshots=str(kept), snapshot_every="500ms") as running:
            watch = Watch(running._session, figures)
            try:
                running.subscribe(lambda report: say(**report.as_dict()), mine=True)
                options = {"batch_size": 256, "concurrency": 4, "name": "owned"}
                owned = running.attach(Sentinel.train(data.mnist("train", seed=seed), **options))
                wait_until(lambda: enough.exists() or owned.error is not None, within=8 * 3600)
                running.wait(epochs=2, timeout=300)
                rated = running.evaluate(Sentinel.test(data.mnist("test"), batch_size=1000))
                gates = running.placement
                # What a killed guest had under way is held for four of its deadlines, at first two minutes.
                wait_until(lambda: not any(running.statistics()[gate].contexts for gate in gates), within=300)
                say(accuracy=rated.scores["accuracy"])
            finally:
                watch.end()
        say(restarts=[told for _, told in client.get_events("akkordeon") if told["event"] in ("restarted", "lost")])
        nothing_is_left(client)
        say(left=[])


if __name__ == "__main__":
    main()
