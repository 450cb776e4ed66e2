"""Stories of worker processes: they compute the same, they die, their links break, their owner dies."""

import os
import signal
import threading

import dask.config
import pytest

from akkordeon_dask import Gate, Sentinel, connect, data, deploy, nn, optim
from akkordeon_dask.errors import WorkerLostError
from akkordeon_dask.runtime._registry import unpublish
from tests.support.patience import PATIENCE
from tests.support.programs import started
from tests.support.sequential_trainer import train_sequentially
from tests.support.small_networks import NETWORK, SAMPLES, equal, numbers, rating, three_gates, train


@pytest.fixture
def placed(processes):
    """A network of three gates, the middle one away from the others: every batch crosses four links."""
    front, back = processes.two()
    return lambda optimizer: three_gates(optimizer, g0=front, g1=back, g2=front)


def _cut(dask_worker):
    links = list(dask_worker.plugins["akkordeon-post-office"].links.values())
    dask_worker.loop.add_callback(lambda: [link.disconnect() for link in links])
    return len(links)


@pytest.mark.parametrize("optimizer", [optim.SGD(0.05, momentum=0.9), optim.DCASGDa(0.05)], ids=["momentum", "dcasgda"])
def test_promise_1_two_processes_give_bit_for_bit_what_a_sequential_loop_gives(processes, placed, optimizer):
    network, provider = placed(optimizer), data.mnist_sample("train", take=600)
    with deploy(network, processes.client, seed=3) as running:
        running.attach(Sentinel.train(provider, batch_size=64, concurrency=1, epochs=2, name="tdp"))
        running.wait(timeout=PATIENCE)
        trained = running.parameters()
    loss = nn.SoftmaxCrossEntropy()
    wanted = train_sequentially(network, provider, loss=loss, batch_size=64, epochs=2, seed=3, sentinel="tdp")
    assert equal(trained, wanted)


def test_promise_7_links_that_are_cut_are_connected_again_and_every_sample_counts_once(processes, placed):
    passes, client = 40, processes.client
    gone_on = threading.Semaphore(0)
    with deploy(placed(optim.SGD(0.02)), client) as running:
        running.subscribe(lambda report: gone_on.release())
        provider = data.mnist_sample("train", take=1000)
        running.attach(Sentinel.train(provider, batch_size=20, concurrency=5, epochs=passes))
        for _ in range(4):
            assert gone_on.acquire(timeout=PATIENCE)
            assert all(count == 1 for count in client.run(_cut).values())
        history = running.wait(timeout=PATIENCE)
        statistics = running.statistics()
    assert [(p.epoch, p.samples, p.lost) for p in sorted(history, key=lambda p: p.epoch)] == [
        (epoch, 1000, 0) for epoch in range(1, passes + 1)
    ]
    assert [statistics[gate].version for gate in ("g0", "g1", "g2")] == [passes * 50] * 3
    assert all(link.connects > 1 for gate in ("g0", "g1") for link in statistics[gate].links)
    assert statistics["train0"].credits == 5


def test_promise_9_a_wait_raises_for_a_killed_worker_and_the_cluster_stays_usable(processes, placed):
    client = processes.client
    pids = client.run(os.getpid)
    network = placed(optim.SGD(0.02))
    with deploy(network, client) as running:
        running.attach(Sentinel.train(data.mnist_sample("train", take=1000), batch_size=50))
        victim = running.placement["g1"]
        running.subscribe(lambda report: os.kill(pids[victim], signal.SIGKILL) if report.epoch == 3 else None)
        with pytest.raises(WorkerLostError, match=f"gate 'g1' on {victim} is gone"):
            running.wait(epochs=10**9, timeout=PATIENCE)
    processes.two()
    with deploy(NETWORK, client) as running:
        running.attach(train(epochs=2))
        assert [p.samples for p in running.wait(timeout=PATIENCE)] == [SAMPLES] * 2


def test_an_owner_that_is_killed_leaves_no_thread_on_the_workers(processes, eventually):
    client = processes.client
    with started("-m", "tests.support.owner_program", client.scheduler.address) as owner:
        assert owner.stdout.readline() == "up\n"
        assert {"akkordeon gate g0", "akkordeon gate g1", "akkordeon sentinel train0"} <= processes.actors()
        owner.kill()
        owner.wait(timeout=PATIENCE)
        eventually(lambda: not processes.threads())
        eventually(lambda: not client.run_on_scheduler(lambda dask_scheduler: list(map(str, dask_scheduler.tasks))))


def test_a_published_network_outlives_its_owner_whose_sentinels_go(processes, eventually):
    client = processes.client
    with started("-m", "tests.support.owner_program", client.scheduler.address, "orphan") as owner:
        assert owner.stdout.readline() == "up\n"
        owner.kill()
        owner.wait(timeout=PATIENCE)
    eventually(lambda: "akkordeon sentinel train0" not in processes.actors())
    assert {"akkordeon gate g0", "akkordeon gate g1"} <= processes.actors()
    with connect("orphan", client) as guest:
        assert guest.evaluate(rating()).samples == SAMPLES
        assert guest.predict(numbers()[0]).shape == (SAMPLES, 3)
    client.sync(unpublish, client, "orphan")
    eventually(lambda: not processes.threads())


@pytest.mark.parametrize("local", ["auto", "never"])
def test_batches_above_the_bound_of_a_link_arrive(processes, local):
    front, back = processes.two()
    wide = Gate(nn.Scale(33.3, 78.6) >> nn.Linear(784, 700), optim.SGD(0.001), front)
    network = wide | Gate(nn.Linear(700, 10), optim.SGD(0.001), back)
    client = processes.client
    client.run(dask.config.set, {"akkordeon.link.max-unsent": "1200kB", "akkordeon.link.local": local})
    try:
        with deploy(network, client) as running:
            training = Sentinel.train(data.mnist_sample("train", take=4000), batch_size=500, concurrency=3, epochs=2)
            running.attach(training)
            assert [(one.samples, one.lost) for one in running.wait(timeout=PATIENCE)] == [(4000, 0)] * 2
            assert all(one.connects == 1 for one in running.statistics()["g0"].links)
    finally:
        client.run(dask.config.refresh)
