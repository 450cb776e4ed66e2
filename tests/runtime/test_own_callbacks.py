"""Callbacks of a user's own: functions and classes that call verbs of the network."""

import threading

import pytest

from akkordeon_dask import callbacks
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, SAMPLES, rating, train


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
