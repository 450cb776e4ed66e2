"""A worker is emptied before it is retired, and work is evened out."""

import asyncio
import dataclasses
import math

import dask.config
import pytest

from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim
from akkordeon_dask.actors import SentinelActor
from akkordeon_dask.errors import ClosedError, DeploymentError, PlacementError, SchedulerLostError
from akkordeon_dask.network import Network
from akkordeon_dask.runtime import live
from akkordeon_dask.runtime.recovery import _sentinels
from akkordeon_dask.runtime.recovery._sentinels import move_sentinel
from tests.support.gate_versions import versions
from tests.support.leftovers import wait_until
from tests.support.no_rates import no_rates
from tests.support.patience import PATIENCE
from tests.support.restarting_workers import workers
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
        history = running.wait(timeout=PATIENCE)
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
        assert [report.samples for report in running.wait(timeout=PATIENCE)] == [SAMPLES] * 5
    processes.nothing_left()


def test_a_sentinel_that_is_moved_repeats_no_batch_that_it_had_finished(user, cluster):
    with user.deploy(three_gates(g0="0", g1="1", g2="1")) as running:
        running.attach(Sentinel.train(data.mnist_sample("train"), batch_size=10, concurrency=2, epochs=1))
        wait_until(lambda: running.statistics()["g0"].version > 20)
        running.drain("0")
        (report,) = running.wait(timeout=PATIENCE)
        assert (report.samples, report.lost) == (10_000, 0)
        updates = {*versions(running).values()}
        assert updates <= {1000, 1001, 1002}  # batches in flight may have updated some gates, and are resent


def test_a_wait_that_counts_epochs_while_a_verb_moves_the_sentinel_reaches_its_successor(somebody, monkeypatch):
    restart, counting = _sentinels._restart_at, []

    async def restart_while_somebody_counts(session, attached, *args, **options):
        counting.append(asyncio.ensure_future(attached.count(3)))
        if not attached._resuming.locked():  # the former actor has been asked, and is followed again
            await counting[0]
            await asyncio.wait([attached._task])
        await restart(session, attached, *args, **options)

    monkeypatch.setattr(_sentinels, "_restart_at", restart_while_somebody_counts)
    with somebody.deploy(NETWORK) as running:
        attached = running.attach(train(concurrency=1))
        running.client.sync(move_sentinel, running._session, attached, attached.worker)
        running.client.sync(asyncio.wait_for, counting[0], PATIENCE)
        running.wait_for(attached)
        assert attached.error is None and {report.samples for report in attached.reports} == {SAMPLES}
        assert len(attached.reports) >= 3


@pytest.mark.parametrize("cut_short", [False, True], ids=["both wait", "the first is cut short"])
def test_a_sentinel_that_two_move_at_once_is_moved_once(somebody, monkeypatch, cut_short):
    with somebody.deploy(three_gates(g0="0", g1="1", g2="1")) as running:
        provider = data.mnist_sample("train")
        trains = running.attach(Sentinel.train(provider, batch_size=100, concurrency=2, epochs=2, workers="1"))
        leaving = trains.worker

        async def move_twice():
            session, stopped, go_on = running._session, asyncio.Event(), asyncio.Event()
            attached, restart_at = session.sentinels[trains.name], _sentinels._restart_at

            async def restart_late(*args, **options):
                stopped.set()
                await go_on.wait()
                await restart_at(*args, **options)

            monkeypatch.setattr(_sentinels, "_restart_at", restart_late)
            first = asyncio.ensure_future(move_sentinel(session, attached, leaving))
            await asyncio.wait_for(stopped.wait(), PATIENCE)
            second = asyncio.ensure_future(move_sentinel(session, attached, leaving))
            await asyncio.wait([second], timeout=0.5)
            if cut_short:
                first.cancel()
            go_on.set()
            ended, _ = await asyncio.gather(first, second, return_exceptions=True)
            assert isinstance(ended, asyncio.CancelledError) is cut_short

        somebody.client.sync(move_twice)
        assert trains.worker == running.placement["g0"] != leaving
        reports = running.wait(timeout=PATIENCE)
        assert [(report.samples, report.lost) for report in reports] == [(10_000, 0)] * 2


def test_a_successor_that_the_scheduler_takes_down_too_still_goes_back(somebody, monkeypatch):
    with somebody.deploy(NETWORK) as running:
        trains = running.attach(train())
        session, create, told = running._session, _sentinels._create, []
        attached = session.sentinels[trains.name]

        async def lose_scheduler_once(*args, rollback, **options):
            told.append(rollback)
            if len(told) == 1:
                attached.rollback = "meanwhile"
                raise SchedulerLostError("gone")
            return await create(*args, rollback=rollback, **options)

        async def was_lost(failure):
            return True

        monkeypatch.setattr(_sentinels, "_create", lose_scheduler_once)
        monkeypatch.setattr(session.scheduler_loss, "was_lost", was_lost)
        somebody.client.sync(move_sentinel, session, attached, trains.worker)
        assert told == ["", ""]  # its position is from before: it has not gone back


def test_a_sentinel_that_no_worker_takes_says_why(somebody, monkeypatch):
    async def refuse(*args, **options):
        raise PlacementError("no room")

    with dask.config.set({"akkordeon.supervision.wait": "100ms"}), somebody.deploy(NETWORK) as running:
        trains = running.attach(train())
        session, leaving = running._session, trains.worker
        monkeypatch.setattr(_sentinels, "_create", refuse)
        with pytest.raises(ClosedError, match=f"{leaving} was stopped to move, and no worker took it: no room$"):
            somebody.client.sync(move_sentinel, session, session.sentinels[trains.name], leaving)


def test_a_sentinel_that_has_news_whenever_it_is_asked_is_told_to_leave_all_the_same(somebody):
    """Its passes end faster than its owner asks: the answer does not wait, and was never that it should move."""

    def drains(dask_worker):
        dask_worker.plugins["akkordeon-post-office"].drain.started.set()

    def stays(dask_worker):
        dask_worker.plugins["akkordeon-post-office"].drain.started.clear()

    with somebody.deploy(Network([dataclasses.replace(gate, workers="1") for gate in NETWORK.gates])) as running:
        attached = running.attach(dataclasses.replace(train(epochs=1), workers="0"))
        running.wait(timeout=PATIENCE)

        async def leaving():
            sentinel = running._session.sentinels[attached.name]
            await sentinel.unwatch()
            told = []
            for change in (drains, stays):
                await somebody.client.run(change, workers=[attached.worker])
                told.append((await sentinel.ask(SentinelActor.follow, 0, "running", 10.0)).leaving)
            sentinel.watch()
            return told

        assert somebody.client.sync(leaving) == [True, False]


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

        with no_rates(), pytest.raises(DeploymentError, match="have reported no work yet"):
            running.rebalance()
        wait_until(lambda: [share > 0.1 for share in shares()] == [True, True], seen=shares)
        (pause,) = running.rebalance().values()
        assert len({*running.placement.values()}) == 2 and pause > 0


def test_one_worker_alone_has_nothing_to_even_out():
    with deploy(NETWORK) as running:
        running.attach(train())

        def shares():
            return [gate.busy for gate in live(running.client, running.name).gates]

        wait_until(lambda: [math.isnan(share) for share in shares()] == [False, False], seen=shares)
        with pytest.raises(PlacementError, match="one worker only"):
            running.rebalance()
        with pytest.raises(PlacementError, match=r"no other worker can take a gate, without .*: start another one"):
            running.drain(running.placement["g0"])
