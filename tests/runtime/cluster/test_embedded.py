"""`deploy(network)` without a client: a cluster of its own, that leaves nothing behind."""

import asyncio
import gc
import os
import queue
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen

import dask.config
import pytest
from distributed import Client
from threadpoolctl import threadpool_info

from akkordeon_dask import Network, Sentinel, data, deploy, nn, optim
from akkordeon_dask.errors import ClosedError, ShapeError, SpecError
from akkordeon_dask.runtime import EmbeddedCluster
from akkordeon_dask.runtime.cluster import _embedded
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.sequential_trainer import train_sequentially
from tests.support.small_networks import NETWORK, equal, numbers, three_gates, train
from tests.support.workers import workers_now


@pytest.fixture(autouse=True)
def _any_port():
    with dask.config.set({"akkordeon.embedded.dashboard-address": "127.0.0.1:0"}):
        yield


@pytest.fixture(autouse=True)
def _as_before(eventually):
    """No thread is left that was not there, and BLAS has its threads again."""
    threads, blas = set(threading.enumerate()), blas_threads()
    yield
    kept = ("Dask-Offload", "Profile")
    eventually(
        lambda: not [t for t in set(threading.enumerate()) - threads if not t.name.startswith(kept)],
        seen=lambda: set(threading.enumerate()) - threads,
    )
    assert blas_threads() == blas


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_promise_1_embedded_is_the_sequential_loop_bit_for_bit():
    network, provider = three_gates(optim.DCASGDa(0.05)), data.mnist_sample("train", take=500)
    run = {"batch_size": 64, "epochs": 2}
    with deploy(network, seed=4) as running:
        assert set(blas_threads()) <= {1}
        running.attach(Sentinel.train(provider, concurrency=1, name="tdp", **run))
        running.wait(timeout=PATIENCE)
        trained = running.parameters()
    wanted = train_sequentially(network, provider, loss=nn.SoftmaxCrossEntropy(), seed=4, sentinel="tdp", **run)
    assert equal(trained, wanted)


def test_it_has_a_dashboard_and_one_worker():
    with deploy(three_gates(), name="digits") as running:
        assert running.dashboard_link.startswith("http://")
        with urlopen(running.dashboard_link, timeout=PATIENCE) as page:
            assert page.status == 200
        assert running.dashboard_link.endswith("/akkordeon?network=digits")
        assert len(set(running.placement.values())) == 1


def test_closing_twice_is_fine_and_a_verb_afterwards_is_an_error():
    running = deploy(NETWORK)
    running.attach(train(epochs=1))
    history = running.wait(timeout=PATIENCE)
    running.close()
    running.close()
    assert running.history == history
    for verb, arguments in {"wait": (1,), "attach": (train(),), "predict": (numbers()[0],), "load": ("x",)}.items():
        with pytest.raises(ClosedError, match=f"network '{running.name}' is closed"):
            getattr(running, verb)(*arguments)


def test_threads_close_it_at_once_and_none_of_them_fails():
    running = deploy(NETWORK)
    with ThreadPoolExecutor(4) as threads:
        closed = [threads.submit(running.close) for _ in range(4)]
        assert [one.result(PATIENCE) for one in closed] == [None] * 4
    assert running.client.status == "closed"


@pytest.mark.parametrize("given", [False, True])
def test_a_callback_closes_the_network_or_its_client_and_so_does_the_end_of_the_block(given):
    ended = queue.Queue()

    def close(report):
        try:
            ended.put(running.client.close() if given else running.close())
        except BaseException as error:
            ended.put(error)

    with closing(EmbeddedCluster()) as embedded:
        client = Client(embedded.cluster.scheduler_address) if given else None
        with deploy(NETWORK, client) as running:
            running.attach(train())
            with pytest.raises(ClosedError, match="closed"):
                running.wait(epochs=2, callbacks=close, timeout=PATIENCE)
        assert ended.get(timeout=PATIENCE) is None


def test_it_works_in_a_notebook_whose_loop_runs_already():
    async def cell():
        with deploy(NETWORK) as running:
            running.attach(train(epochs=1))
            return running.wait(timeout=PATIENCE)

    assert len(asyncio.run(cell())) == 1


def test_an_error_closes_it_too():
    network = Network([three_gates()[0]])
    with pytest.raises(ShapeError, match="gate 'g0'"), deploy(network) as running:
        running.attach(train())
    with pytest.raises(SpecError, match="deploy takes a Network"):
        deploy(nn.Linear(2, 2))
    with pytest.raises(SpecError, match=r"client is a distributed\.Client or None, not 'tcp://10\.0\.0\.1:8786'"):
        deploy(NETWORK, "tcp://10.0.0.1:8786")


def test_a_client_that_closed_first_is_no_trouble(caplog):
    """Nobody can move the gate, so that nobody waits for it."""
    cluster = EmbeddedCluster()
    running = deploy(NETWORK, cluster.client, name="orphan")
    cluster.close()
    assert "gate 'g0' of network 'orphan' (the worker closes)" in caplog.text
    running.close()
    with pytest.raises(ClosedError, match="the client of network 'orphan' is closed"):
        running.parameters()


def test_dask_polls_a_cluster_in_this_process_less_often_unless_that_is_configured():
    key = "distributed.admin.tick.interval"
    before = dask.config.get(key)
    with dask.config.set({key: "70ms"}):
        asked, asked_profile = periods()
        assert dask.config.get(key) == "70ms"
    plain, profile = periods()
    assert (asked["tick"], plain["tick"], dask.config.get(key)) == (70, 200, before)
    assert asked["memory_monitor"] == plain["memory_monitor"] == 1000 and not profile and not asked_profile


def test_dask_polls_worker_processes_less_often_too_but_for_their_memory():
    keys = "distributed.admin.tick.interval", "distributed.worker.memory.monitor-interval"
    memory = dask.config.get(keys[1])
    with closing(EmbeddedCluster(1)) as cluster:
        (values,) = cluster.client.run(lambda: [dask.config.get(key) for key in keys]).values()
        (periodic,) = cluster.client.run(lambda dask_worker: list(dask_worker.periodic_callbacks)).values()
    assert values == ["200ms", memory] and "memory_monitor" in periodic and "profile" not in periodic


def periods():
    """Milliseconds between two polls of an embedded cluster's worker, and whether it takes a profile of tasks."""
    cluster = EmbeddedCluster()
    try:
        (worker,) = cluster.cluster.workers.values()
        callbacks = worker.periodic_callbacks
        return {name: callback.callback_time for name, callback in callbacks.items()}, "profile" in callbacks
    finally:
        cluster.close()


def test_the_loop_ends_after_all_senders_that_wait_in_it(monkeypatch, caplog):
    """A sender that is due a little later finds no loop that runs: here it is due in the loop's very last round."""
    close = asyncio.SelectorEventLoop.close

    def one_round_and_close(loop):
        if not loop.is_closed():
            due = loop.time() + 0.015
            while loop.time() < due:
                pass
            loop.call_soon(loop.stop)
            loop.run_forever()
        close(loop)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "close", one_round_and_close)
    for _ in range(5):
        with deploy(NETWORK) as running:
            running.attach(train(epochs=1))
            running.wait(timeout=PATIENCE)
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket")  # Dask leaves a socket of its own open there
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="this system does not tell a process's environment")
def test_worker_processes_begin_with_the_environment_that_the_c_library_reads():
    cluster = EmbeddedCluster(1)
    try:
        (began,) = cluster.client.run(lambda: Path("/proc/self/environ").read_text().split("\0")).values()
    finally:
        cluster.close()
    assert {f"{name}={value}" for name, value in _embedded.WORKER_ENVIRONMENT.items()} <= {*began}
    assert dask.config.get("distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_", None) is None


def test_a_worker_process_that_needs_long_to_come_back_comes_back():
    """Dask would close its nanny meanwhile."""
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "10ms"}), closing(EmbeddedCluster(1)) as cluster:
        (before,) = workers_now(cluster.client)
        ((_, pid),) = cluster.client.run(os.getpid).items()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: workers_now(cluster.client).keys() - {before})
        assert list(cluster.cluster.workers) == [0]


def test_a_port_that_another_process_takes_first_is_no_warning(monkeypatch):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(_embedded, "_free_dashboard", lambda: ("127.0.0.1", port))
        with closing(EmbeddedCluster()) as cluster:
            assert cluster.client.dashboard_link != f"http://127.0.0.1:{port}/status"
    gc.collect()
