"""The scheduler is gone, silent, or cut off: who is blamed, what goes on, what is said."""

import signal
import socket
import subprocess
import sys
from contextlib import ExitStack

import dask.config
import pytest
from distributed import Client, LocalCluster
from distributed.core import Status

from akkordeon_dask import deploy
from akkordeon_dask.errors import DeadlineError, SchedulerLostError
from akkordeon_dask.runtime import _scheduler_loss, networks
from tests.support.leftovers import wait_until
from tests.support.programs import environment
from tests.support.proxies import Proxy
from tests.support.small_networks import NETWORK, train


class Processes:
    """A scheduler on a port that it keeps, and workers, each in a process."""

    def __init__(self, stack, folder):
        self._stack, self._folder = stack, folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        """Start the scheduler, and two workers, which end with it."""
        self.scheduler = self._dask("scheduler", "--host", "127.0.0.1", "--port", self.port, "--no-dashboard")
        for _ in range(2):
            self._dask("worker", self.address, "--nthreads", 1, "--no-nanny", "--no-dashboard")

    def _dask(self, *args):
        log = self._stack.enter_context((self._folder / "dask.log").open("a"))
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *map(str, args)], stdout=log, stderr=log, cwd=self._folder, env=environment()
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process

    def kill(self):
        self.scheduler.kill()
        self.scheduler.wait()


@pytest.fixture
def processes(tmp_path):
    with ExitStack() as stack:
        yield Processes(stack, tmp_path)


@pytest.fixture
def client(processes):
    with Client(processes.address, timeout=60) as one:
        one.wait_for_workers(2, timeout=60)
        yield one


def passes(running):
    return len(running.history)


@pytest.mark.parametrize("name", [None, "named"])
def test_a_network_with_snapshots_goes_on_when_the_scheduler_is_killed_and_started_again(
    processes, client, tmp_path, name
):
    with deploy(NETWORK, client, name=name, snapshots=str(tmp_path / "snapshots"), snapshot_every=20) as running:
        running.attach(train(name="one", epochs=10**6))
        wait_until(lambda: running.statistics()["g0"].snapshot is not None)
        processes.kill()
        processes.start()
        before = passes(running)
        wait_until(lambda: passes(running) > before + 5, within=60)
        assert networks(client) == ([name] if name else [])
    wait_until(lambda: not client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks)))
    assert networks(client) == []


@pytest.mark.parametrize("name", [None, "named"])
def test_a_network_without_snapshots_ends_with_the_word_that_the_scheduler_is_gone(
    processes, client, name, monkeypatch
):
    monkeypatch.setattr(_scheduler_loss, "_BRIEF", 1.0)
    running = deploy(NETWORK, client, name=name)
    running.attach(train(epochs=10**6))
    processes.kill()
    with pytest.raises(SchedulerLostError, match=r"scheduler at tcp.* keeps no snapshots, nothing was saved: .*deploy"):
        running.wait()
    running.close()


def test_no_worker_is_blamed_while_the_scheduler_stands_still(processes, client, tmp_path, caplog):
    impatient = {"akkordeon.supervision.patience": "1s", "akkordeon.timeouts.control": "1s"}
    with dask.config.set(impatient), deploy(NETWORK, client, name="still", snapshots=str(tmp_path / "s")) as running:
        running.attach(train(name="one", epochs=10**6))
        processes.scheduler.send_signal(signal.SIGSTOP)
        try:
            wait_until(lambda: "does not answer: network 'still' waits for it" in caplog.text)
        finally:
            processes.scheduler.send_signal(signal.SIGCONT)
        before = passes(running)
        wait_until(lambda: passes(running) > before + 5)
        assert "gives no sign of life" not in caplog.text


def test_a_scheduler_with_an_idle_timeout_lives_as_long_as_a_network_has_an_owner(monkeypatch):
    monkeypatch.setattr(_scheduler_loss, "_WATCH", 0.2)
    options = {"processes": False, "dashboard_address": ":0", "scheduler_kwargs": {"idle_timeout": "3s"}}
    with LocalCluster(n_workers=2, threads_per_worker=1, **options) as cluster:
        with Client(cluster) as client, deploy(NETWORK, client) as running:
            running.attach(train(epochs=10**6))
            with pytest.raises(DeadlineError):
                running.wait(timeout="5s")
            assert cluster.scheduler.status is Status.running
        wait_until(lambda: cluster.scheduler.idle_since is not None)


# Dask's `get_dataset` asks for all keys of the client, and overtakes the submission of a sentinel (2026.8.0).
@pytest.mark.filterwarnings("ignore:Client .* desires key")
@pytest.mark.parametrize("keeps", [False, True])
def test_a_named_network_outlives_a_broken_connection_of_its_client(tmp_path, keeps):
    options = {"processes": False, "protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": ":0"}
    snapshots = str(tmp_path / "snapshots") if keeps else None
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, **options) as cluster,
        Proxy(cluster.scheduler_address) as proxy,
        Client(proxy.address, timeout=60) as client,
    ):
        with deploy(NETWORK, client, name="kept", snapshots=snapshots) as running:
            running.attach(train(name="one", epochs=10**6))
            gates = {key for key in cluster.scheduler.tasks if "-g" in key}
            proxy.cut()
            wait_until(lambda: client.status == "connecting")
            proxy.heal()
            before = passes(running)
            wait_until(lambda: passes(running) > before + 5, within=40)
            assert gates <= set(cluster.scheduler.tasks), "the same gates, with all that they had learned"
        wait_until(lambda: not cluster.scheduler.tasks, seen=lambda: cluster.scheduler.tasks)
        assert networks(client) == []
