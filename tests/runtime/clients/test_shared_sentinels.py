"""Sentinels of several clients in one network: each has a name of its own, and all clients know of all."""

import logging
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from distributed import Client

from akkordeon_dask import Gate, Sentinel, connect, data, nn
from akkordeon_dask.errors import DeadlineError, NameConflictError, SpecError
from akkordeon_dask.messages import TOPIC, PassReport
from akkordeon_dask.runtime._history import FinishedPasses
from akkordeon_dask.runtime.recovery._sentinels import move_sentinel
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, SGD, Blocks, numbers, rating, train
from tests.support.sync_and_async_client import SynchronousUser

HELD = Gate(Blocks() >> nn.Linear(6, 3), SGD)


def each(history):
    """Pairs of sentinel and pass."""
    return sorted((report.sentinel, report.epoch) for report in history)


@dataclass(frozen=True, repr=False)
class Hopeless(nn.SoftmaxCrossEntropy):
    """NaN, always."""

    def __call__(self, y, target, *, need_dy=True):
        return float("nan"), super().__call__(y, target, need_dy=need_dy)[1]


@pytest.fixture
def held():
    """Batches of `HELD` wait until it is set."""
    Blocks.go.clear()
    yield Blocks.go
    Blocks.go.set()


def test_the_end_of_another_client_s_sentinel_is_not_waited_for(user, somebody):
    with user.deploy(NETWORK, name="shared") as owner, somebody.connect("shared") as guest:
        theirs = guest.attach(train(epochs=1, name="theirs"))
        for verb in (owner.wait_for, owner.detach):
            with pytest.raises(SpecError, match="this client has no sentinel 'theirs' on network 'shared', only none"):
                verb(theirs)
        guest.wait_for(theirs)
        guest.detach(theirs)
        guest.wait_for(theirs)


def test_clients_that_attach_at_once_never_get_the_same_name(cluster, user, nothing_left):
    with user.deploy(NETWORK, name="shared"), ExitStack() as stack, ThreadPoolExecutor(3) as threads:
        clients = [stack.enter_context(Client(cluster.scheduler.address)) for _ in range(3)]
        guests = [stack.enter_context(connect("shared", client)) for client in clients]
        for _ in range(10):
            start = threading.Barrier(3)

            def attach(guest, start=start):
                start.wait(PATIENCE)
                return guest.attach(train(epochs=1))

            attached = list(threads.map(attach, guests))
            assert {one.name for one in attached} == {"train0", "train1", "train2"}
            for guest, one in zip(guests, attached, strict=True):
                guest.detach(one)
    nothing_left()


def test_a_name_that_another_client_has_is_refused_with_that_client_and_free_when_it_is_detached(user, somebody):
    with user.deploy(NETWORK, name="shared") as running, somebody.connect("shared") as guest:
        mine = running.attach(train(name="tdp", epochs=1))
        text = f"has a sentinel 'tdp' already, attached by client {user.client.id}: detach it, or choose another name"
        with pytest.raises(NameConflictError, match=text):
            guest.attach(train(name="tdp"))
        with pytest.raises(NameConflictError, match="has a gate 'g1': give the sentinel another name"):
            guest.attach(train(name="g1"))
        running.detach(mine)
        assert guest.attach(train(name="tdp", epochs=1)).name == "tdp"


def test_a_name_is_free_again_when_its_sentinel_could_not_be_created(user, somebody):
    with user.deploy(NETWORK, name="shared") as running, somebody.connect("shared") as guest:
        for _ in range(2):
            with pytest.raises(ValueError, match=r"features|shape"):
                running.attach(Sentinel.train(data.arrays(*numbers(features=9)), batch_size=16, name="wide"))
        assert guest.attach(train(name="wide", epochs=1)).name == "wide"


def test_a_name_is_free_again_when_its_client_is_gone(cluster, user):
    with user.deploy(NETWORK, name="shared") as running:
        guest = SynchronousUser(cluster.scheduler.address)
        guest.connect("shared").attach(train(name="tdp"))
        with pytest.raises(NameConflictError, match=guest.client.id):
            running.attach(train(name="tdp"))
        guest.close()
        assert running.attach(train(name="tdp", epochs=1)).name == "tdp"


def clients(dask_scheduler):
    return list(dask_scheduler.clients)


CLAIM = """
import sys, time
from types import SimpleNamespace
from distributed import Client
from akkordeon_dask import connect
from akkordeon_dask.runtime.handles._sentinel_names import reserve_name
from tests.support.small_networks import train
client = Client(sys.argv[1])
session = connect("shared", client)._session
reservation = reserve_name, client, session.name, session.entry.run, session.network.names, train()
print(client.sync(*reservation).name, client.id, flush=True)
sys.stdin.read()
"""


def test_a_name_is_free_again_when_its_client_is_killed_before_the_sentinel_is_created(processes, eventually):
    address = processes.client.scheduler.address
    user = SynchronousUser(address)
    command = [sys.executable, "-c", CLAIM, address]
    with user.deploy(NETWORK, name="shared") as running:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as killed:
            name, client = killed.stdout.readline().split()
            assert name == "train0"
            with pytest.raises(NameConflictError, match=client):
                running.attach(train(name="train0"))
            os.kill(killed.pid, signal.SIGKILL)
        eventually(lambda: client not in user.client.run_on_scheduler(clients))
        assert running.attach(train(epochs=1)).name == "train0"
    user.close()


def test_a_sentinel_that_moved_keeps_its_name(user, somebody):
    with user.deploy(NETWORK, name="shared") as running, somebody.connect("shared") as guest:
        mine = guest.attach(train())
        somebody.client.sync(move_sentinel, guest.plain._session, mine, mine.worker)
        assert running.attach(train(epochs=1)).name == "train1"
        guest.detach(mine)
        assert running.attach(train(epochs=1)).name == "train0"


def test_a_network_deployed_again_has_all_names_but_numbers_past_those_that_are_left_over(user, somebody):
    with user.deploy(NETWORK, name="shared"):
        left = somebody.connect("shared")
        left.attach(train())
        left.attach(train(name="tdp"))
    with user.deploy(NETWORK, name="shared") as running:
        assert running.attach(train(name="tdp", epochs=1)).name == "tdp"
        assert running.attach(train(epochs=1)).name == "train1"
    left.close()


def test_all_clients_have_all_passes_once_and_mine_are_ones_own(cluster, user, somebody):
    received, received_mine = [], []
    with user.deploy(NETWORK, name="shared") as running, somebody.connect("shared") as guest:
        running.plain.subscribe(received.append)
        running.plain.subscribe(received_mine.append, mine=True)
        mine = running.attach(train(epochs=2))
        theirs = guest.attach(train(epochs=3))
        all_passes = [("train0", 1), ("train0", 2), ("train1", 1), ("train1", 2), ("train1", 3)]
        assert (
            each(running.wait(timeout=PATIENCE))
            == each(guest.wait(timeout=PATIENCE))
            == each(running.history)
            == all_passes
        )
        assert running.passes(mine=True) == tuple(mine.reports) == running.wait(timeout=PATIENCE, mine=True)
        assert guest.passes(mine=True) == tuple(theirs.reports)
        assert all(report in running.history for report in theirs.reports) and list(running.sentinels) == ["train0"]
        assert each(received) == all_passes and received_mine == mine.reports
        late = SynchronousUser(cluster.scheduler.address)
        with late.connect("shared") as later:
            assert each(later.history) == each(later.wait(timeout=PATIENCE)) == all_passes
            assert later.passes(mine=True) == ()
        late.close()


@pytest.mark.slow
def test_a_wait_waits_for_sentinels_of_others_that_end_and_for_no_endless_one(user, somebody, held):
    with user.deploy(HELD, name="shared") as running, somebody.connect("shared") as guest:
        guest.attach(train(name="endless"))
        guest.attach(Sentinel.validate(data.arrays(*numbers()), batch_size=16, name="rates"))
        assert running.wait(timeout=PATIENCE) == ()
        guest.attach(train(name="bounded", epochs=1))
        guest.attach(rating(name="once"))
        assert running.wait(timeout=PATIENCE, mine=True) == ()
        with pytest.raises(DeadlineError, match=r"sentinel 'bounded' of client .*: (starting|running)"):
            running.wait(timeout=1)
        held.set()
        ended = each(running.wait(timeout=PATIENCE))
        assert ("bounded", 1) in ended and ("once", 1) in ended


@pytest.mark.slow
def test_a_wait_does_not_wait_for_the_sentinel_of_a_client_that_went(cluster, user, held):
    with user.deploy(HELD, name="shared") as running:
        guest = SynchronousUser(cluster.scheduler.address)
        guest.connect("shared").attach(train(epochs=1))
        with pytest.raises(DeadlineError, match="sentinel 'train0' of client"):
            running.wait(timeout=0.2)
        guest.close()
        assert running.wait(timeout=PATIENCE) == ()


def test_the_failure_of_anothers_sentinel_is_logged_and_not_raised(user, somebody, caplog):
    with user.deploy(NETWORK, name="shared") as running, somebody.connect("shared") as guest:
        guest.attach(train(epochs=1, loss=Hopeless()))
        with caplog.at_level(logging.WARNING):
            assert running.wait(timeout=PATIENCE) == ()
    assert "sentinel 'train0' of client" in caplog.text and "failed" in caplog.text and "loss" in caplog.text


def _subscribers(dask_scheduler):
    return dask_scheduler._broker._topics[TOPIC].subscribers


def test_a_subscriber_of_the_events_of_a_cluster_still_gets_them(user, somebody, eventually):
    received = []

    def receive(event):
        if event[1]["network"] == "heard":
            received.append(event[1]["event"])

    with user.deploy(NETWORK, name="heard") as running, somebody.connect("heard") as guest:
        somebody.client.subscribe_topic(TOPIC, receive)  # Dask sends it in its time, and another client trains
        eventually(lambda: somebody.client.id in somebody.client.run_on_scheduler(_subscribers))
        running.attach(train(epochs=2))
        running.wait(timeout=PATIENCE)
        eventually(lambda: received.count("pass") == 2, seen=lambda: received)
        somebody.client.unsubscribe_topic(TOPIC)
        running.attach(train(epochs=1))
        assert len(guest.wait(timeout=PATIENCE)) == 3


def test_a_pass_that_a_sentinel_repeats_after_a_restart_counts_once():
    passes = FinishedPasses()
    first, again = (PassReport("train0", "train", 3, loss, {}, 64, 0, 1.0, 0) for loss in (0.5, 0.4))
    assert passes.add_other("akkordeon-net-train0-1a2b", first)
    assert not passes.add_other("akkordeon-net-train0-1a2b", again)
    assert passes.add_other("akkordeon-net-train0-3c4d", again)
    assert passes.history() == (first, again) and passes.history(mine=True) == ()
