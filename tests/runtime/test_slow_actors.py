"""What is slow in one actor keeps neither the others nor those who look waiting."""

import threading
from dataclasses import dataclass
from typing import ClassVar

import dask
import pytest

from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim
from akkordeon_dask.errors import DeploymentError
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE, scaled, scaled_seconds
from tests.support.sequential_trainer import train_sequentially
from tests.support.small_networks import NETWORK, equal, numbers, three_gates, train

IMAGES = data.mnist_sample("train", take=500)


@dataclass(frozen=True, repr=False)
class Slow(nn.ReLU):
    """A layer whose forward pass waits until it may go on."""

    entered: ClassVar[threading.Event] = threading.Event()
    go: ClassVar[threading.Event] = threading.Event()

    def forward(self, params, x, **options):
        self.entered.set()
        assert self.go.wait(PATIENCE)
        return super().forward(params, x, **options)


@pytest.fixture
def slow():
    Slow.entered.clear()
    Slow.go.clear()
    yield Slow
    Slow.go.set()


@pytest.mark.parametrize("threads", [1, 2])
def test_statistics_are_there_while_a_gate_is_in_a_long_pass(slow, threads):
    network = Gate(nn.Linear(6, 5) >> Slow(), optim.SGD(0.1)) | Gate(nn.Linear(5, 3), optim.SGD(0.1))
    settings = {"akkordeon.threads": threads, "akkordeon.timeouts.first-batch": "1ms"}
    with dask.config.set(settings), deploy(network) as running:
        running.attach(train(epochs=1))
        assert slow.entered.wait(PATIENCE)
        found = running.statistics()  # with the pass still under way
        assert not slow.go.is_set() and {"g0", "g1", "train0"} <= found.keys()
        assert found["g0"].counts.forwards == 0
        slow.go.set()
        running.wait(timeout=PATIENCE)
        assert running.statistics()["g0"].counts.forwards > 0


@dataclass(frozen=True, repr=False)
class Large(nn.ReLU):
    """A layer whose parameters take a while to make."""

    seconds: float = scaled_seconds(1.5)

    def init(self, rng, dtype):
        assert not threading.Event().wait(self.seconds)
        return super().init(rng, dtype)


def test_a_gate_that_takes_long_to_make_has_more_time_than_one_that_waits():
    with dask.config.set({"akkordeon.timeouts.deploy": scaled(1)}):
        with deploy(Gate(nn.Linear(6, 3) >> Large(), optim.SGD(0.1))) as running:
            assert running.predict(numbers()[0]).shape == (64, 3)
        with (
            dask.config.set({"akkordeon.timeouts.load": "1ms"}),
            pytest.raises(DeploymentError, match="was not created within"),
        ):
            deploy(Gate(nn.Linear(6, 3) >> Large(), optim.SGD(0.1)))


@dataclass(frozen=True)
class Held(data.Provider):
    """Gives its first batch when it may."""

    asked: ClassVar[threading.Event] = threading.Event()
    go: ClassVar[threading.Event] = threading.Event()

    def open(self):
        return HeldSource(self)


class HeldSource(data.Source):
    """Says nothing of itself, so it may block."""

    def __init__(self, provider):
        self._provider = provider

    def batches(self, epoch, batch_size):
        self._provider.asked.set()
        assert self._provider.go.wait(PATIENCE)
        yield numbers()[0][:batch_size], numbers()[1][:batch_size]


def test_a_provider_that_blocks_stops_nothing_but_its_sentinel():
    held = Held()
    with dask.config.set({"akkordeon.threads": 1, "akkordeon.timeouts.first-batch": "1ms"}), deploy(NETWORK) as running:
        late = running.attach(Sentinel.train(held, batch_size=8, epochs=1, name="late"))
        assert held.asked.wait(PATIENCE)
        running.attach(train(epochs=3, name="other"))
        wait_until(lambda: len([report for report in running.history if report.sentinel == "other"]) == 3)
        assert not late.reports
        held.go.set()
        running.wait(timeout=PATIENCE)
        assert len(late.reports) == 1


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("heavy", [0.0, 1.0], ids=["detached", "in turns"])
def test_promise_1_holds_with_any_number_of_threads(threads, heavy, monkeypatch):
    monkeypatch.setattr("akkordeon_dask.actors.engine._dispatcher.HEAVY", heavy)
    monkeypatch.setattr("akkordeon_dask.actors.engine._scheduler.HEAVY", heavy)
    network = three_gates(optim.DCASGDa(0.05))
    run = {"batch_size": 64, "epochs": 2}
    with dask.config.set({"akkordeon.threads": threads}), deploy(network, seed=4) as running:
        running.attach(Sentinel.train(IMAGES, concurrency=1, name="tdp", **run))
        running.wait(timeout=PATIENCE)
        trained = running.parameters()
    loss = nn.SoftmaxCrossEntropy()
    assert equal(trained, train_sequentially(network, IMAGES, loss=loss, seed=4, sentinel="tdp", **run))
