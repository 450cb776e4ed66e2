"""Gates do not wait for workers that take nothing, paused or full of tasks, where another one idles."""

import dataclasses
import os
import signal
from contextlib import contextmanager
from pathlib import Path

import dask.config
import pytest
from distributed import Client, LocalCluster
from distributed.core import Status

from akkordeon_dask import deploy
from akkordeon_dask.errors import PlacementError
from akkordeon_dask.network import Network
from akkordeon_dask.runtime.cluster import _actor_calls
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, SAMPLES, train
from tests.support.worker_programs import LIMITS, worker
from tests.support.workers import workers_now


@pytest.fixture
def client(_debug):
    """Of a scheduler without workers."""
    options = {"dashboard_address": ":0", "host": "127.0.0.1", "silence_logs": 50}
    here = {f"akkordeon.{name}": value for name, value in LIMITS.items()}
    with (
        dask.config.set(here),
        LocalCluster(n_workers=0, processes=True, **options) as cluster,
        Client(cluster) as running,
    ):
        yield running


def pause(client, address, status=Status.paused):
    """As memory does it, which then would set it free again."""

    def act(dask_worker):
        dask_worker.periodic_callbacks["memory_monitor"].stop()
        dask_worker.status = status

    client.run(act, workers=[address])
    wait_until(lambda: workers_now(client)[address]["status"] == status.name)


@contextmanager
def occupied(client, address, folder):
    """The one thread of a worker is taken by a task, until `close` of what this gives."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    task = client.submit(Path.read_text, pipe, workers=[address], key="long-task", pure=False)
    with pipe.open("w") as writer:  # once the task has opened it too
        yield writer
    task.result(PATIENCE)


def gate_on(name):
    return Network([dataclasses.replace(NETWORK[0], workers=name), NETWORK[1]])


def test_whoever_asks_for_a_paused_worker_learns_it_and_others_do_without(client):
    with worker(client, "alice") as alice, worker(client, "bob") as bob:
        pause(client, alice.address)
        with pytest.raises(PlacementError, match="gate 'g0' asks for worker 'alice', which is paused"):
            deploy(gate_on("alice"), client)
        with deploy(NETWORK, client) as running:
            with pytest.raises(PlacementError, match="sentinel 'train0' asks for worker 'alice', which is paused"):
                running.attach(train(workers="alice"))
            assert {*running.placement.values()} == {bob.address}
            running.attach(train(epochs=1))
            assert [report.samples for report in running.wait(timeout=PATIENCE)] == [SAMPLES]


def test_a_lost_gate_goes_to_the_worker_that_is_free(client, tmp_path):
    with (
        worker(client, "alice") as alice,
        deploy(NETWORK, client, name="full", snapshots=str(tmp_path / "kept")) as running,
        worker(client, "bob") as bob,
        worker(client, "carol") as carol,
        worker(client, "dave") as dave,
    ):
        attached = running.attach(train(workers="dave"))
        pause(client, carol.address)
        with occupied(client, bob.address, tmp_path):
            os.killpg(alice.process.pid, signal.SIGKILL)
            wait_until(lambda: alice.address not in running.placement.values())
            assert {*running.placement.values()} == {dave.address}
            history = running.wait(epochs=1, timeout=PATIENCE)
            assert attached.error is None
            assert {report.lost for report in history} == {0}


def test_a_gate_that_waits_for_a_task_says_so_and_is_created_when_that_ends(client, tmp_path, monkeypatch):
    with worker(client, "alice") as alice, occupied(client, alice.address, tmp_path) as task:
        said = []

        def warning(text, *parts):
            said.append(text % parts)
            task.close()

        monkeypatch.setattr(_actor_calls.logger, "warning", warning)
        with deploy(NETWORK, client) as running:
            assert {*running.placement.values()} == {alice.address}
    assert f"waits for a thread of worker alice ({alice.address}), which works on long-task: it is" in said[0]
