"""The transformer of `examples/language_model.py`, through the actors and in a plain loop of torch."""

import json
import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import dask.config
import numpy as np
import torch
from distributed import Client, LocalCluster

from akkordeon_dask import Network, Running, Sentinel, data, deploy, optim
from akkordeon_dask.messages import TOPIC, PassReport
from akkordeon_dask.torch import TorchOptimizer, split_module

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))  # workers get the path of the process that starts them

import language_model as example

UPDATE, WIDTH, IN_FLIGHT = 8, 144, 2
"""`UPDATE` samples an update; `IN_FLIGHT` batches of each of the two sentinels."""
ACCUMULATE = 2 * IN_FLIGHT
"""Batches of an update of the actors: as many as are in flight, so that no gradient is more than an update late."""


@dataclass
class Curve:
    """Bits a character on the text that is held out, by the samples that a side has trained with."""

    side: str
    seed: int
    rate: float
    epochs: int
    seconds: float = 0.0
    points: list[tuple[int, float]] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    """The mean of each gate's gradients, in updates."""
    facts: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return json.dumps(vars(self))


@dataclass(frozen=True)
class Setting:
    """What both sides have: data, module, options of AdamW."""

    seed: int
    rate: float
    epochs: int

    def __post_init__(self) -> None:
        books, rest = example.read_books([])
        alphabet = "".join(sorted({*rest, *books[0], *books[1]}))
        providers = [example.Book(book, alphabet, seed=2 * self.seed + number) for number, book in enumerate(books)]
        object.__setattr__(self, "books", providers)
        object.__setattr__(self, "held_out", example.consecutive(rest, alphabet))
        object.__setattr__(self, "characters", len(alphabet))

    books: list[data.Provider] = field(init=False)
    held_out: data.Provider = field(init=False)
    characters: int = field(init=False)

    def module(self) -> torch.nn.Sequential:
        """The module with the seed's weights."""
        torch.manual_seed(self.seed)
        return example.transformer(self.characters, WIDTH)

    @property
    def schedule(self) -> optim.Schedule:
        """A warm-up for a twentieth of the updates, then a cosine down to a tenth of the rate."""
        updates = self.epochs * 2 * example.WINDOWS // UPDATE
        return optim.WarmUp(updates // 20, optim.Cosine(self.rate, updates, final=self.rate / 10))

    @property
    def options(self) -> dict[str, Any]:
        """Of AdamW, beside the rate."""
        return {"betas": (0.9, 0.95)}


def actors(setting: Setting) -> Curve:
    """Three gates on three workers, two sentinels with two small batches in flight each."""
    with _deployed(setting, None) as running:
        return _trained(setting, running)


def disturbed(setting: Setting) -> Curve:
    """The same with snapshots: a gate moves in the third pass, and in the sixth the worker is killed that it is on."""
    going_back = dask.config.set({"akkordeon.supervision.recover": "cut"})
    with going_back, tempfile.TemporaryDirectory() as folder, _deployed(setting, folder) as running:
        running.add_callback(partial(_disturb, running))
        curve = _trained(setting, running)
        curve.facts["passes"] = [
            (its.sentinel, its.epoch, its.samples, its.lost, its.rolled_back)
            for its in running.history
            if its.mode == "train"
        ]
        told = [event for _, event in running.client.get_events(TOPIC)]
        kinds = ("moved", "restarted", "rolled back")
        curve.facts["events"] = [(its["event"], its.get("text", "")) for its in told if its.get("event") in kinds]
        curve.facts["versions"] = {name: running.statistics()[name].version for name in running.network.names}
    return curve


def _disturb(running: Running, report: PassReport) -> None:
    if report.sentinel != "book0" or report.rolled_back:
        return
    if report.epoch == 2:
        running.move("block2", running.placement["embedding"])
    elif report.epoch == 5 and not any(its.rolled_back for its in running.history):
        worker = running.placement["block2"]
        os.kill(running.client.run(os.getpid, workers=[worker])[worker], signal.SIGKILL)


@contextmanager
def _deployed(setting: Setting, snapshots: str | None) -> Iterator[Running]:
    adam = TorchOptimizer(torch.optim.AdamW, lr=setting.schedule, **setting.options)
    optimizer = optim.WeightPrediction(adam, rule="last-update")
    gates = split_module(setting.module(), optimizer, at=["block2", "block4"])
    network = Network(replace(gate, accumulate=ACCUMULATE) for gate in gates)
    with (
        LocalCluster(n_workers=3, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0") as cluster,
        Client(cluster) as client,
        deploy(network, client, seed=setting.seed, snapshots=snapshots) as running,
    ):
        yield running


def _trained(setting: Setting, running: Running) -> Curve:
    curve = Curve("actors", setting.seed, setting.rate, setting.epochs)
    begun = time.perf_counter()
    running.attach(Sentinel.validate(setting.held_out, batch_size=64, every="epoch of book0"))
    for number, book in enumerate(setting.books):
        options = {"batch_size": UPDATE // ACCUMULATE, "concurrency": IN_FLIGHT, "name": f"book{number}"}
        running.attach(Sentinel.train(book, **options), epochs=setting.epochs)  # type: ignore[arg-type]
    history = running.wait(progress=False)
    curve.seconds = time.perf_counter() - begun
    rated = {(its.samples_trained, its.loss) for its in history if its.mode == "validate"}
    last = running.evaluate(Sentinel.test(setting.held_out, batch_size=64), progress=False)
    for samples, loss in sorted({*rated, (last.samples_trained, last.loss)}):
        curve.points.append((samples, round(loss / math.log(2), 4)))
    for name in running.network.names:
        delays = running.statistics()[name].counts.delays
        curve.delays.append(round(sum(late * n for late, n in delays.items()) / sum(delays.values()), 2))
    return curve


def loop(setting: Setting) -> Curve:
    """The same batches, of the two books in turn, in a loop of torch with one thread."""
    curve = Curve("loop", setting.seed, setting.rate, setting.epochs)
    torch.set_num_threads(1)
    module, schedule, samples = setting.module(), setting.schedule, 0
    adam = torch.optim.AdamW(module.parameters(), lr=setting.rate, **setting.options)
    begun = time.perf_counter()
    for epoch in range(1, setting.epochs + 1):
        for update, (x, target) in enumerate(_in_turn(setting, epoch), samples // UPDATE):
            adam.param_groups[0]["lr"] = schedule(update)
            loss = torch.nn.functional.cross_entropy(module(torch.from_numpy(x)), torch.from_numpy(target))
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            samples += len(x)
        curve.points.append((samples, round(_bits(module, setting), 4)))
    curve.seconds = time.perf_counter() - begun
    return curve


def _in_turn(setting: Setting, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    sources = [data.open_source(book).batches(epoch, UPDATE) for book in setting.books]
    for pair in zip(*sources, strict=True):
        yield from ((x, target.astype(np.int64)) for x, target in pair)  # type: ignore[union-attr]


def _bits(module: torch.nn.Module, setting: Setting) -> float:
    source = data.open_source(setting.held_out)
    x, target = next(iter(source.batches(1, source.samples or 0)))
    with torch.no_grad():
        logits = [module(part) for part in torch.from_numpy(x.copy()).split(64)]
    labels = torch.from_numpy(target.astype(np.int64))  # type: ignore[union-attr]
    return float(torch.nn.functional.cross_entropy(torch.cat(logits), labels)) / math.log(2)


SIDES = {"loop": loop, "actors": actors, "disturbed": disturbed}
