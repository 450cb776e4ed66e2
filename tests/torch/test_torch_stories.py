"""Torch modules on two worker processes: they move and are restarted while they train."""

import os
import signal
import threading

import dask.config
import numpy as np
import pytest
import torch
from torch import nn as tnn

from akkordeon_dask import Gate, Network, Sentinel, data, deploy, optim, simulate
from akkordeon_dask.snapshots import SnapshotPolicy, complete_cuts
from akkordeon_dask.torch import TorchModule, TorchOptimizer
from tests.support.gate_versions import versions
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.restarting_workers import events, pair, run_folder
from tests.support.small_networks import equal
from tests.torch.modules import PartlyFrozen, Recurrent, SelfAttention, Tied, TiedLinear, block

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SAMPLES, BATCH = 64, 8
ADAM = TorchOptimizer(torch.optim.AdamW, lr=1e-3)
OPTIMIZERS = [ADAM, optim.Adam(1e-3), optim.SGD(0.01, momentum=0.9)]


def head(features):
    """A classifier behind anything."""
    return tnn.Sequential(tnn.Flatten(), tnn.Linear(features, 3))


def wide(features):
    """A layer behind anything."""
    return tnn.Sequential(tnn.Flatten(), tnn.Linear(features, 4))


def provider(shape, words=0):
    rng = np.random.default_rng(0)
    x = rng.integers(0, words, (SAMPLES, *shape)) if words else rng.normal(size=(SAMPLES, *shape)).astype(np.float32)
    return data.arrays(x, rng.integers(0, 3, SAMPLES))


def gates(*modules):
    """A network with a gate for each module, and optimizers of both kinds."""
    return Network(Gate(module, OPTIMIZERS[number % 3]) for number, module in enumerate(modules))


TABLE = {
    "block": (gates(TorchModule(block), TorchModule(head, 16)), provider((2, 4, 4))),
    "tied words": (gates(TorchModule(Tied), TorchModule(head, 21)), provider((3,), 7)),
    "sequences": (
        gates(
            TorchModule(tnn.Embedding, 7, 4),
            TorchModule(Recurrent, tnn.LSTM, 4, 4, num_layers=2, dropout=0.3),
            TorchModule(Recurrent, tnn.GRU, 4, 2, bidirectional=True),
            TorchModule(tnn.LayerNorm, 4),
            TorchModule(SelfAttention, 4, 2, dropout=0.3),
            TorchModule(tnn.TransformerEncoderLayer, 4, 2, dim_feedforward=6, batch_first=True),
            TorchModule(head, 12),
        ),
        provider((3,), 7),
    ),
    "images": (
        gates(
            TorchModule(tnn.Conv2d, 2, 3, 3, padding=1),
            TorchModule(tnn.BatchNorm2d, 3),
            TorchModule(tnn.Dropout, 0.3),
            TorchModule(wide(48)),
            TorchModule(TiedLinear, 4, 3),
            TorchModule(PartlyFrozen),
            TorchModule(tnn.Linear, 3, 3),
        ),
        provider((2, 4, 4)),
    ),
}
"""Networks that have every kind of module in a gate of its own, and their data."""


@pytest.fixture(scope="module")
def processes():
    with pair() as running, dask.config.set({"akkordeon.timeouts.deploy": PATIENCE}):
        running.client.run(__import__, "torch")  # which takes a while on a loaded machine
        yield running


@pytest.mark.parametrize("name", TABLE)
def test_nothing_is_lost_while_a_module_moves_as_it_trains(processes, name):
    spec, its_data = TABLE[name]
    passed = threading.Semaphore(0)
    with deploy(spec, processes.client) as running:
        running.subscribe(lambda report: passed.release())
        trains = running.attach(Sentinel.train(its_data, batch_size=BATCH, concurrency=3))
        for gate in (*spec.names, "g0"):
            assert passed.acquire(timeout=PATIENCE)
            (to,) = {*processes.two()}.difference([running.placement[gate]])
            running.move(gate, to)
        running.wait(epochs=2, timeout=PATIENCE)
        assert {(report.samples, report.lost) for report in trains.reports} == {(SAMPLES, 0)}
        updates = SAMPLES // BATCH * len(trains.reports)
        assert {*versions(running).values()} == {updates}
        if name == "block":
            statistics = running.parameters()["g0"][0]["statistics"]
            assert statistics["1.num_batches_tracked"] == updates
    processes.nothing_left()


def test_a_module_whose_worker_is_killed_goes_on_from_its_snapshot(processes, tmp_path):
    spec, its_data = TABLE["block"]
    with deploy(spec, processes.client, snapshots=str(tmp_path), snapshot_every=1) as running:
        trains = running.attach(Sentinel.train(its_data, batch_size=BATCH, concurrency=3, epochs=40))
        wait_until(lambda: len(trains.reports) > 2)
        lost = running.placement["g0"]
        os.kill(processes.pid(lost), signal.SIGKILL)
        wait_until(lambda: running.placement["g0"] != lost)
        running.wait(timeout=PATIENCE)
        passes = [(report.epoch, report.samples + report.lost) for report in trains.reports]
        assert passes == [(epoch, SAMPLES) for epoch in range(1, 41)]
        (params,) = running.parameters()["g0"]
        assert 2 * SAMPLES // BATCH < params["statistics"]["1.num_batches_tracked"] <= 40 * SAMPLES // BATCH + 6
    processes.nothing_left()


@pytest.mark.parametrize("name", ["tied words", "sequences", "images"])
def test_modules_whose_worker_is_killed_end_as_if_nothing_had_been_lost_bit_for_bit(processes, tmp_path, name):
    spec, its_data = TABLE[name]
    with (
        dask.config.set({"akkordeon.supervision.recover": "cut"}),
        deploy(spec, processes.client, snapshots=str(tmp_path), snapshot_every=1) as running,
    ):
        trains = running.attach(Sentinel.train(its_data, name="a", batch_size=BATCH, concurrency=1))
        cuts = SnapshotPolicy(str(run_folder(tmp_path)))
        wait_until(lambda: any("a" in cut.positions for cut in complete_cuts(cuts)))
        os.kill(processes.pid(running.placement["g1"]), signal.SIGKILL)
        wait_until(lambda: events(processes.client, running.name, "rolled back"))
        running.wait(epochs=2, timeout=PATIENCE)
        counted = [report.epoch for report in trains.reports if not report.rolled_back]
        assert counted == list(range(1, len(counted) + 1))
        assert {(report.samples, report.lost) for report in trains.reports} == {(SAMPLES, 0)}
        plain = simulate(spec, its_data, batch_size=BATCH, epochs=len(counted), sentinel="a")
        assert equal(running.parameters(), plain.parameters)
    processes.nothing_left()
