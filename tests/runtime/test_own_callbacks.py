"""Callbacks of a user's own: functions and classes that call verbs of the network, and change its weights."""

import threading

import numpy as np
import pytest

from akkordeon_dask import callbacks
from akkordeon_dask.errors import ShapeError, SpecError
from akkordeon_dask.tree import map_leaves
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, SAMPLES, equal, rating, train


def test_a_function_evaluates_each_epoch_and_is_not_called_for_that_again(somebody):
    seen = []

    def evaluate(report):
        seen.append((report.sentinel, report.epoch, running.evaluate(rating()).samples))

    with somebody.deploy(NETWORK) as running:
        running.add_callback(evaluate)
        running.attach(train(), epochs=2)
        history = running.wait(timeout=PATIENCE)
    assert seen == [("train0", 1, SAMPLES), ("train0", 2, SAMPLES)]
    assert [one.mode for one in history].count("test") == 2


def test_a_callback_of_one_s_own_evaluates_each_epoch_and_is_not_called_for_that_again(user):
    class Evaluating(callbacks.Callback):
        def __init__(self):
            self.seen = []

        async def on_pass(self, report, training):
            self.seen.append((report.sentinel, (await running.plain.evaluate(rating())).samples))

    one, other = Evaluating(), []
    with user.deploy(NETWORK) as running:
        running.add_callback(one)
        running.add_callback(other.append)
        running.attach(train(), epochs=2)
        running.wait(timeout=PATIENCE)
        assert one.seen == [("train0", SAMPLES)] * 2
        running.evaluate(rating(name="own"))
        running.wait(timeout=PATIENCE)
    assert [report.sentinel for report in other] == ["train0", "train0", "own"]


def test_the_error_of_a_callback_that_outlasts_its_wait_is_none_of_the_next_one(user):
    goes = threading.Event()

    def fail(report):
        raise ValueError("first")

    def fail_late(report):
        assert goes.wait(PATIENCE)
        raise ValueError("second")

    with user.deploy(NETWORK) as running:
        running.attach(train())
        with pytest.raises(ValueError, match="first"):
            running.wait(epochs=1, timeout=PATIENCE, callbacks=[fail, fail_late])
        goes.set()
        running.wait(epochs=1, timeout=PATIENCE)


class _Reacting(callbacks.Callback):
    """Calls a coroutine function with the network and its weights after a pass."""

    def __init__(self, react):
        self._react = react

    async def on_pass(self, report, training):
        await self._react(training, await training.weights(report))


def test_weights_in_another_dtype_are_restored_as_the_numbers_that_they_are(user):
    kept = []

    def halved(weights, dtype):
        return {gate: map_leaves(lambda leaf: leaf.astype(dtype) / 2, weights[gate]) for gate in weights}

    async def halve(training, weights):
        kept.append(weights)
        await training.restore(halved(weights, np.float64))

    with user.deploy(NETWORK) as running:
        running.add_callback(_Reacting(halve))
        running.attach(train(), epochs=1)
        running.wait(timeout=PATIENCE)
        assert equal(running.parameters(), halved(kept[0], np.float32))


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        (lambda weights: {}, SpecError, "weights have the gates none, the network has 'g0', 'g1': give those"),
        (lambda weights: weights | {"g1": {}}, SpecError, r"gate 'g1' have the arrays none, the network has '0\.b'"),
        (
            lambda weights: weights | {"g1": map_leaves(lambda leaf: leaf[..., :1], weights["g1"])},
            ShapeError,
            r"weight 'g1\.0\.\w' has shape \S.*, the network's is \S",
        ),
        (
            lambda weights: weights | {"g1": map_leaves(lambda leaf: leaf.astype(complex), weights["g1"])},
            SpecError,
            r"weight 'g1\.0\.\w' is complex128, the network's is float32",
        ),
    ],
    ids=["gates", "arrays", "shape", "kind"],
)
def test_weights_of_another_form_are_refused_and_nothing_has_changed(user, change, error, told):
    kept = []

    async def restore(training, weights):
        kept.append(weights)
        await training.restore(change(dict(weights)))

    with user.deploy(NETWORK) as running:
        remove = running.add_callback(_Reacting(restore))
        running.attach(train(), epochs=1)
        with pytest.raises(error, match=told):
            running.wait(timeout=PATIENCE)
        remove()
        assert equal(running.parameters(), kept[0])


@pytest.mark.parametrize("factors", [(-1,), (0,), (float("nan"),), (0.5, -0.1)])
def test_learning_rates_are_slowed_by_a_factor_above_zero_only(user, factors):
    async def slow(training, weights):
        await training.slow(*factors)

    with user.deploy(NETWORK) as running:
        running.add_callback(_Reacting(slow))
        running.attach(train(), epochs=1)
        with pytest.raises(SpecError, match=rf"(factor|least) is a finite number .*0, not {factors[-1]}"):
            running.wait(timeout=PATIENCE)
