"""The scheduler is gone, silent, or cut off: who is blamed, what goes on, what is said."""

import asyncio
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import dask.config
import pytest
from distributed import Client, LocalCluster
from distributed.core import Status

from akkordeon_dask import deploy
from akkordeon_dask.actors import living_runs
from akkordeon_dask.errors import ClosedError, DeadlineError, SchedulerLostError
from akkordeon_dask.runtime import _scheduler_loss, networks
from akkordeon_dask.runtime._scheduler_loss import SchedulerLoss
from akkordeon_dask.runtime.cluster._actor_calls import check_connection
from akkordeon_dask.runtime.cluster._worker_calls import _WorkerCalls
from akkordeon_dask.runtime.handles import _actor_handle
from akkordeon_dask.runtime.recovery._owner_policy import OwnerPolicy
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE, scaled
from tests.support.proxies import Proxy
from tests.support.restarting_scheduler import restarting_scheduler
from tests.support.restarting_workers import events
from tests.support.small_networks import NETWORK, SAMPLES, train
from tests.support.workers import workers_now

KILLS, STANDS_STILL = (10, 40.0) if os.environ.get("AKKORDEON_LONG") else (2, 0.0)
"""Kills of the scheduler in a row, and seconds for which it stands still."""


@pytest.fixture
def processes(tmp_path):
    with restarting_scheduler(tmp_path) as found:
        yield found


@pytest.fixture
def client(processes):
    with Client(processes.address, timeout=3 * PATIENCE) as one:
        yield one


def passes(running):
    return len(running.history)


def more_passes(running):
    before = passes(running)
    wait_until(lambda: passes(running) > before + 5)


@contextmanager
def goes_on_after_a_kill(processes, client, folder):
    """A named network that trains on after its scheduler was killed and started again."""
    with deploy(NETWORK, client, name="named", snapshots=str(folder / "s"), snapshot_every=20) as running:
        running.attach(train(name="one", epochs=10**6))
        wait_until(lambda: running.statistics()["g0"].snapshot is not None)
        processes.kill()
        processes.start()
        more_passes(running)
        yield running


@pytest.mark.timeout(3 * PATIENCE)
@pytest.mark.parametrize("name", [None, "named"])
def test_a_network_with_snapshots_goes_on_when_the_scheduler_is_killed_and_started_again(
    processes, client, tmp_path, name
):
    with deploy(NETWORK, client, name=name, snapshots=str(tmp_path / "snapshots"), snapshot_every=20) as running:
        running.attach(train(name="one", epochs=10**6))
        wait_until(lambda: running.statistics()["g0"].snapshot is not None)
        for _ in range(KILLS):
            processes.kill()
            processes.start()
            more_passes(running)
        assert networks(client) == ([name] if name else [])
        run = running._session.entry.run  # its workers may be retired as before
        wait_until(lambda: client.run_on_scheduler(lambda dask_scheduler: list(living_runs(dask_scheduler))) == [run])
        assert {(one.samples, one.lost) for one in running.history} == {(SAMPLES, 0)}
        assert [one.epoch for one in running.history] == list(range(1, passes(running) + 1))
    wait_until(lambda: not client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks)))
    assert networks(client) == []


def test_gates_and_sentinels_are_of_one_generation_whoever_reads_the_published_entry_first(
    processes, client, tmp_path, monkeypatch
):
    """A sentinel that waits for the scheduler looks for its gates just when the owner has published them again."""
    publish_again = OwnerPolicy._publish_again

    async def publish_and_look(policy):
        await publish_again(policy)
        await policy.session.scheduler_loss._find_gates()

    monkeypatch.setattr(OwnerPolicy, "_publish_again", publish_and_look)
    with goes_on_after_a_kill(processes, client, tmp_path) as running:
        assert not any(running.statistics()[gate].counts.dropped for gate in running.placement)


def test_a_scheduler_that_is_killed_again_just_after_its_owner_is_back_is_no_other_owner(
    processes, client, tmp_path, monkeypatch
):
    publish_again, killed = OwnerPolicy._publish_again, []

    async def publish_in_vain(policy):
        await publish_again(policy)
        if not killed:
            killed.append(processes.scheduler)
            processes.kill()
            processes.start()

    monkeypatch.setattr(OwnerPolicy, "_publish_again", publish_in_vain)
    with goes_on_after_a_kill(processes, client, tmp_path):
        assert killed and networks(client) == ["named"]


def test_gates_are_looked_for_again_where_the_scheduler_goes_just_then(processes, client, tmp_path, monkeypatch):
    find_gates, failed = SchedulerLoss._find_gates, []

    async def fail_once(loss):
        if not failed:
            failed.append(loss)
            raise OSError("Stream is closed")
        await find_gates(loss)

    monkeypatch.setattr(SchedulerLoss, "_find_gates", fail_once)
    with goes_on_after_a_kill(processes, client, tmp_path):
        assert failed


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


def test_nobody_is_told_to_wait_for_a_scheduler_whose_connection_is_known_to_be_broken_a_moment_later(
    monkeypatch, caplog
):
    client, entry = SimpleNamespace(status="running"), SimpleNamespace(name="short", snapshots=None)
    loss, looks = SchedulerLoss(client, entry, [], published=False, found=print), []

    async def check(client):
        looks.append(client)
        if len(looks) > 1:
            client.status = "closed"
        raise SchedulerLostError("the scheduler is gone")

    monkeypatch.setattr(_scheduler_loss, "check_scheduler", check)
    with pytest.raises(SchedulerLostError, match="the scheduler is gone: network 'short' has ended here"):
        asyncio.run(loss.survive(SchedulerLostError("the scheduler is gone")))
    assert not caplog.messages


@pytest.mark.parametrize("status", ["closing", "closed"])
def test_a_client_that_its_program_closes_has_not_lost_the_scheduler(status):
    client, entry = SimpleNamespace(status=status), SimpleNamespace(name="short", snapshots=None)
    loss = SchedulerLoss(client, entry, [], published=False, found=print)
    with pytest.raises(ClosedError, match="the client of network 'short' is closed"):
        asyncio.run(loss.survive(SchedulerLostError("the connection to the scheduler is broken")))


def test_a_deployment_that_waits_names_the_scheduler_that_is_killed_meanwhile(processes, client, caplog):
    busy = [client.submit(time.sleep, PATIENCE, workers=[worker], pure=False) for worker in workers_now(client)]
    with dask.config.set({"akkordeon.timeouts.deploy": PATIENCE}), ThreadPoolExecutor(1) as pool:
        deploying = pool.submit(deploy, NETWORK, client)
        wait_until(lambda: "waits for a thread of worker" in caplog.text)
        processes.kill()
        with pytest.raises(SchedulerLostError, match=r"scheduler at tcp://127.0.0.1:\d+ (is|does not)"):
            deploying.result(PATIENCE)
    del busy


def test_no_worker_is_blamed_while_the_scheduler_stands_still(processes, client, tmp_path, caplog):
    impatient = {"akkordeon.supervision.patience": scaled(6), "akkordeon.timeouts.control": scaled(1)}
    with deploy(NETWORK, client, name="still", snapshots=str(tmp_path / "s")) as running:
        running.attach(train(name="one", epochs=10**6))
        with dask.config.set(impatient):
            processes.scheduler.send_signal(signal.SIGSTOP)
            try:
                wait_until(lambda: "does not answer: network 'still' waits for it" in caplog.text)
                time.sleep(STANDS_STILL)
            finally:
                processes.scheduler.send_signal(signal.SIGCONT)
            more_passes(running)
        assert not events(client, "still", "lost", "restarted")


def test_no_worker_is_blamed_where_the_scheduler_answers_again_when_it_is_asked(somebody, tmp_path, monkeypatch):
    request, asked, holds = _WorkerCalls._request, set(), True

    async def handed_on(calls, message):
        return await (asyncio.Event().wait() if holds else request(calls, message))

    async def checked(future):
        asked.add(future.key.split("-")[2])
        await check_connection(future)

    impatient = {"akkordeon.supervision.patience": scaled(1), "akkordeon.timeouts.control": scaled(1)}
    with somebody.deploy(NETWORK, name="held", snapshots=str(tmp_path)) as running:
        running.attach(train(name="one", epochs=10**6))
        with dask.config.set(impatient):
            monkeypatch.setattr(_actor_handle, "check_connection", checked)
            monkeypatch.setattr(_WorkerCalls, "_request", handed_on)
            wait_until(lambda: asked == {"g0", "g1", "one"}, seen=lambda: asked)
            holds = False
            more_passes(running)
        assert not events(somebody.client, "held", "lost", "restarted")


def test_a_scheduler_with_an_idle_timeout_lives_as_long_as_a_network_has_an_owner(monkeypatch):
    monkeypatch.setattr(_scheduler_loss, "_WATCH", 0.2)
    options = {"processes": False, "dashboard_address": ":0", "scheduler_kwargs": {"idle_timeout": scaled(3)}}
    with LocalCluster(n_workers=2, threads_per_worker=1, **options) as cluster:
        with Client(cluster) as client, deploy(NETWORK, client) as running:
            running.attach(train(epochs=10**6))
            with pytest.raises(DeadlineError):
                running.wait(timeout=scaled(5))
            assert cluster.scheduler.status is Status.running
        wait_until(lambda: cluster.scheduler.idle_since is not None)


@pytest.mark.parametrize("keeps", [False, True])
def test_a_named_network_outlives_a_broken_connection_of_its_client(tmp_path, keeps):
    options = {"processes": False, "protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": ":0"}
    snapshots = str(tmp_path / "snapshots") if keeps else None
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, **options) as cluster,
        Proxy(cluster.scheduler_address) as proxy,
        Client(proxy.address, timeout=PATIENCE) as client,
    ):
        with deploy(NETWORK, client, name="kept", snapshots=snapshots) as running:
            running.attach(train(name="one", epochs=10**6))
            gates = {key for key in cluster.scheduler.tasks if "-g" in key}
            proxy.cut()
            wait_until(lambda: client.status == "connecting")
            proxy.heal()
            before = passes(running)
            wait_until(lambda: passes(running) > before + 5)
            assert gates <= set(cluster.scheduler.tasks), "the same gates, with all that they had learned"
        wait_until(lambda: not cluster.scheduler.tasks, seen=lambda: cluster.scheduler.tasks)
        assert networks(client) == []
