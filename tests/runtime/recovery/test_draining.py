"""A worker is emptied before it is retired, and work is evened out."""

import math

import pytest

from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim
from akkordeon_dask.errors import DeploymentError, PlacementError
from akkordeon_dask.runtime import live
from tests.support.leftovers import wait_until
from tests.support.restarting_workers import PATIENT, workers
from tests.support.small_networks import NETWORK, SAMPLES, numbers, three_gates, train

IMAGES = data.mnist_sample("train", take=300)


def test_a_worker_that_is_drained_is_empty_and_training_goes_on(user, cluster, nothing_left):
    network = three_gates(g0="0", g1="1", g2="0")
    with user.deploy(network) as running:
        trains = running.attach(Sentinel.train(IMAGES, batch_size=50, concurrency=3, epochs=20))
        looks = running.attach(Sentinel.validate(IMAGES, batch_size=50, every="10ms"))
        leaving = running.placement["g0"]
        (stays,) = {*workers(cluster)}.difference([leaving])
        assert running.drain("0").keys() == {"g0", "g2"}
        assert {*running.placement.values(), trains.worker, looks.worker} == {stays}
        (left,) = [worker for worker in cluster.workers.values() if worker.address == leaving]
        office = left.plugins["akkordeon-post-office"]
        assert not office._cells and not office.links
        history = running.wait(timeout=PATIENT)
        done = [report for report in history if report.sentinel == trains.name]
        assert [(report.epoch, report.samples, report.lost) for report in done] == [
            (epoch, 300, 0) for epoch in range(1, 21)
        ]
    nothing_left()


def test_a_process_that_is_drained_holds_no_thread_of_ours(processes):
    with deploy(NETWORK, processes.client) as running:
        running.attach(train(epochs=5))
        leaving = running.placement["g0"]
        running.drain(leaving)
        assert not processes.threads(leaving)
        assert [report.samples for report in running.wait(timeout=PATIENT)] == [SAMPLES] * 5
    processes.nothing_left()


def test_a_sentinel_that_is_moved_repeats_no_batch_that_it_had_finished(user, cluster):
    with user.deploy(three_gates(g0="0", g1="1", g2="1")) as running:
        running.attach(Sentinel.train(data.mnist_sample("train"), batch_size=10, concurrency=2, epochs=1))
        wait_until(lambda: running.statistics()["g0"].version > 20)
        running.drain("0")
        (report,) = running.wait(timeout=PATIENT)
        assert (report.samples, report.lost) == (10_000, 0)
        updates = {running.statistics()[gate].version for gate in running.placement}
        assert updates <= {1000, 1001, 1002}  # batches in flight may have updated some gates, and are resent


def heavy(worker):
    return Gate(nn.Linear(784, 256) >> nn.ReLU(), optim.SGD(0.01), worker) | Gate(
        nn.Linear(256, 784) >> nn.ReLU() >> nn.Linear(784, 10), optim.SGD(0.01), worker
    )


@pytest.mark.slow
def test_two_heavy_gates_on_one_worker_are_parted(user):
    rows = data.arrays(*numbers(512, features=784, classes=10))
    with user.deploy(heavy("0")) as running:
        running.attach(Sentinel.train(rows, batch_size=128, concurrency=3))

        def shares():
            return [gate.busy for gate in user.call(live, user.client, running.name).gates]

        with pytest.raises(DeploymentError, match="have reported no work yet"):
            running.rebalance()
        wait_until(lambda: [share > 0.1 for share in shares()] == [True, True], within=PATIENT, seen=shares)
        (pause,) = running.rebalance().values()
        assert len({*running.placement.values()}) == 2 and pause > 0


def test_one_worker_alone_has_nothing_to_even_out():
    with deploy(NETWORK) as running:
        running.attach(train())

        def shares():
            return [gate.busy for gate in live(running.client, running.name).gates]

        wait_until(lambda: [math.isnan(share) for share in shares()] == [False, False], within=PATIENT, seen=shares)
        with pytest.raises(PlacementError, match="one worker only"):
            running.rebalance()
        with pytest.raises(PlacementError, match="the cluster has no workers"):
            running.drain(running.placement["g0"])
