"""A sentinel that fails: it reports an error, returns all credits and notifies the gates."""

import numpy as np
import pytest

from akkordeon_dask import Sentinel, errors
from akkordeon_dask.messages import Failed, Forward, Leave, Refused
from tests.support.gate_harness import Played, array
from tests.support.numbered_samples import BACK, FRONT, HOME, Numbers, numbered


def failed(post, error):
    assert post.behavior.state == "failed" and isinstance(post.behavior.error, error)
    assert post.behavior.in_flight == 0 and not post.behavior.can_draw()
    assert post.sent[-2:] == [(gate, Leave("net", HOME)) for gate in (FRONT, BACK)]
    return str(post.behavior.error)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_promise_9_a_loss_that_is_not_finite_fails_with_the_batch(bad):
    post = Played()
    header = post.draw()[1]
    with np.errstate(invalid="ignore"):
        post.behavior.receive(Forward(header, np.full((2, 3), bad, np.float32)))
    assert "the loss is nan on batch 1 of pass 1 of sentinel 'it'" in failed(post, errors.NonFiniteError)


def test_promise_9_a_label_out_of_range_fails():
    post = Played(loss=Sentinel.train(numbered(4)).loss)
    post.predictions(post.draw()[2])
    text = "batch 2 of pass 1 of sentinel 'it': label 5 is out of range: the network has 3 outputs"
    assert text in failed(post, errors.DataError)


def test_promise_9_data_without_labels_fail():
    post = Played()
    assert post.behavior.can_draw()
    post.behavior.submit_batch(array(0, 2, 4), None)
    post.predictions(post.sent[-1][1].header)
    assert "gives no targets to compare with" in failed(post, errors.DataError)


def test_promise_9_a_gate_that_failed_is_named_with_batch_and_worker():
    post = Played()
    (header, *_) = post.draw()
    post.behavior.receive(Failed(header, "g1", "tcp://there", "ValueError: why"))
    text = failed(post, errors.GateError)
    assert "gate 'g1' on tcp://there failed on batch 0 of pass 1 of sentinel 'it': ValueError: why" in text


def test_promise_9_a_failure_that_comes_after_the_gradient_is_not_overlooked():
    post = Played()
    (header, *_) = post.draw(1)
    post.back(header)
    assert post.behavior.in_flight == 0
    post.behavior.receive(Failed(header, "g1", "tcp://there", "ValueError: why"))
    assert "failed on batch 0" in failed(post, errors.GateError)


def test_promise_9_a_score_that_raises_fails_the_sentinel():
    class Broken(Numbers):
        def __call__(self, y, target):
            raise KeyError("of the score")

    post = Played(scores=[Broken()])
    post.predictions(post.draw()[0])
    assert "batch 0 of pass 1 of sentinel 'it' on tcp://home: Broken() raised KeyError('of the score')" in failed(
        post, errors.SentinelError
    )


def test_promise_9_data_that_give_nothing_fail():
    post = Played()
    assert post.behavior.can_draw()
    post.behavior.exhausted()
    assert "gave no batch" in failed(post, errors.DataError)


def test_promise_9_a_pass_that_cannot_get_through_fails():
    post = Played("validate", max_attempts=3)
    for _ in range(4):
        (opening,) = post.draw()
        assert post.behavior.state == "running"
        post.behavior.receive(Refused(opening, "g4"))
    assert post.behavior.state == "failed" and isinstance(post.behavior.error, errors.SentinelError)
    assert "'it'" in str(post.behavior.error) and "'g4'" in str(post.behavior.error)
