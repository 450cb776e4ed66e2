"""Promises 9 and 10: what is wrong reaches the person, names both sides, and the cluster stays usable."""

import threading
from dataclasses import dataclass

import dask.config
import numpy as np
import pytest

from akkordeon_dask import Gate, Sentinel, data, nn
from akkordeon_dask.errors import (
    DataError,
    DeadlineError,
    GateError,
    NonFiniteError,
    PlacementError,
    ShapeError,
    SpecError,
)
from tests.support.for_each import for_each
from tests.support.patience import PATIENCE
from tests.support.small_networks import (
    NETWORK,
    SAMPLES,
    SGD,
    Blocks,
    Broken,
    Thirteen,
    numbers,
    rating,
    train,
)


@pytest.fixture(autouse=True)
def _still_usable(user, nothing_left):
    """Whatever a test here did, the next network trains, and nothing of either is left."""
    yield
    with user.deploy(NETWORK) as running:
        running.attach(train(epochs=1))
        assert len(running.wait(timeout=PATIENCE)) == 1
    nothing_left()


def marked(sample, value=13, **options):
    """Data in order whose sample number `sample` begins with `value`, in batches of 16."""
    x, y = numbers()
    x[sample, 0] = value
    return Sentinel.train(data.arrays(x, y, shuffle=False), **{"batch_size": 16, "epochs": 3, **options})


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_a_layer_that_raises_in_the_middle_of_an_epoch(user, way):
    raising = Gate(Thirteen(way) >> nn.Linear(6, 3), SGD, name="raising", workers="1")
    network = Gate(nn.Scale(0, 1), SGD, workers="0") | raising
    with user.deploy(network) as running:
        failed = running.attach(marked(40, name="tdp", concurrency=1))
        with pytest.raises(GateError) as caught:
            running.wait(timeout=PATIENCE)
        text = str(caught.value)
        assert f"gate 'raising' on {running.placement['raising']} failed on batch 2 of pass 1 of sentinel 'tdp'" in text
        assert "ZeroDivisionError: a sample begins with 13 (raised in _look, " in text
        assert failed.state == "failed" and running.statistics()["raising"].counts.failed == 1
        running.detach(failed)
        running.attach(train(epochs=2))
        assert {p.epoch for p in running.wait(timeout=PATIENCE)} == {1, 2}
        assert running.statistics()["raising"].contexts == 0


def test_an_optimizer_that_raises_fails_the_batch_and_not_the_gate(user):
    with user.deploy(Gate(nn.Linear(6, 3), Broken(0.1), name="raising")) as running:
        failed = running.attach(train(name="tdp", concurrency=1))
        with pytest.raises(GateError, match=r"gate 'raising' on .* failed on batch 2 .* ZeroDivisionError: the third"):
            running.wait(epochs=3, timeout=PATIENCE)
        running.detach(failed)
        assert running.evaluate(rating()).samples == SAMPLES


def test_an_error_during_validation_and_prediction(user):
    network = Gate(Thirteen() >> nn.Linear(6, 3), SGD)
    x, y = numbers()
    x[20, 0] = 13
    with user.deploy(network) as running:
        with pytest.raises(GateError, match="failed on batch 1 of pass 1 of sentinel 'predict0'"):
            running.predict(x, batch_size=16)
        with pytest.raises(GateError, match="failed on batch 1 of pass 1 of sentinel 'vdp'"):
            running.evaluate(Sentinel.test(data.arrays(x, y, shuffle=False), batch_size=16, name="vdp"))
        assert running.sentinels == {} and running.predict(numbers()[0]).shape == (64, 3)


def test_one_sentinel_s_error_leaves_the_others_at_work(user):
    with user.deploy(Gate(Thirteen() >> nn.Linear(6, 3), SGD)) as running:
        healthy, bad = running.attach(train(name="healthy")), running.attach(marked(0, name="bad"))
        with pytest.raises(GateError, match="sentinel 'bad'"):
            running.wait(epochs=10**9)
        running.detach(bad)
        done = len(healthy.reports)
        assert len(running.wait(epochs=3, timeout=PATIENCE)) >= done + 3


def test_a_loss_that_is_no_number(running):
    running.attach(marked(20, np.nan, concurrency=1, name="tdp"))
    said = r"is nan on batch 1 of pass 1 of sentinel 'tdp': 1 of its 96 numbers in x .* sample 4 .* feature 0: fill"
    with pytest.raises(NonFiniteError, match=said):
        running.wait(timeout=PATIENCE)
    before = running.statistics()["g0"]
    assert before.version == 1 and before.contexts <= 1


def nothing():
    return []


def no_batch():
    yield "x and y"


@for_each(
    "provider, error, text",
    [
        (data.stream([]), DataError, "has no samples: epoch 1 gave no batch at all"),
        (data.stream(nothing), DataError, "<function nothing>.* has no samples"),
        (data.stream(no_batch), DataError, r"batch 1: a batch is \(x, y\) or \(x, y, weights\), not a str"),
        (data.stream([(np.zeros((4, 7), "f4"), np.zeros(4, int))]), ShapeError, "gate 'g0' cannot work on 7 features"),
        (data.stream([(np.zeros((4, 6), "u1"), np.zeros(4, int))]), ShapeError, r"uint8.*nn\.Scale"),
        (data.stream([(np.zeros((4, 6), "f4"), None)]), DataError, "sentinel 'tdp' compares with targets, .* has none"),
        (data.stream([(np.zeros((4, 6), "f4"), np.zeros(3, int))]), DataError, "x has 4 samples, y has 3"),
    ],
)
@for_each("make", [Sentinel.train, Sentinel.validate, Sentinel.test])
def test_streams_that_go_wrong_where_they_run_are_not_attached(running, caplog, make, provider, error, text):
    for _ in range(2):
        with pytest.raises(error, match=text):
            running.attach(make(provider, name="tdp", concurrency=1))
    assert running.sentinels == {}
    assert {name: its.version for name, its in running.statistics().items()} == {"g0": 0, "g1": 0}
    assert "Compute Failed" not in caplog.text


@dataclass(frozen=True, repr=False)
class Held(data.Provider):
    """Holds what cannot travel."""

    thing: object

    def open(self):
        raise NotImplementedError


@for_each(
    "sentinel, error, text",
    [
        (train(batch_size=65), DataError, "batch_size=65 is larger than the 64 samples of data.arrays"),
        (Sentinel.train(data.arrays(numbers()[0], None)), DataError, r"\(64, 6\) float32>, None\) has none: give it"),
        (Sentinel.train(Held(threading.Lock())), SpecError, "sentinel 'train0' cannot travel .*cannot pickle .*lock"),
        (Sentinel.train(data.stream(b for b in [1])), DataError, "a generator cannot travel .*give the function"),
        (Sentinel.train(data.mnist_sample("train", take=64)), ShapeError, "gate 'g0' cannot work on 784 features: .*6"),
        (Sentinel.train(data.arrays(np.zeros((256, 6), "u1"), np.zeros(256, int))), ShapeError, r"uint8.*nn\.Scale"),
        (train(workers="carol"), PlacementError, "sentinel 'train0' asks for worker 'carol', the cluster has 0 "),
        (Sentinel.train(data.mnist("train")), DataError, "MNIST|mnist"),
    ],
)
def test_attach_refuses_a_bad_sentinel_with_the_cause(running, sentinel, error, text, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("AKKORDEON_DATA", str(tmp_path))
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache")
    with pytest.raises(error, match=text):
        running.attach(sentinel)
    assert running.sentinels == {}
    assert "Compute Failed" not in caplog.text


def test_predictions_that_do_not_come_back_are_no_result(user):
    Blocks.go.clear()
    limits = {"batch.deadline": "50ms", "batch.min-deadline": "50ms", "batch.max-attempts": 1}
    short = dask.config.set({f"akkordeon.{key}": value for key, value in limits.items()})
    with short, user.deploy(Gate(Blocks() >> nn.Linear(6, 3), SGD)) as running:
        with pytest.raises(DeadlineError, match="64 of 64 samples did not come back: look at the gates' workers"):
            running.predict(numbers()[0], batch_size=16)
        Blocks.go.set()
        assert running.sentinels == {}
