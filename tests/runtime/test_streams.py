"""A stream that never ends, as its user follows it."""

import itertools

import numpy as np

from akkordeon_dask import Gate, Sentinel, deploy, nn, optim


def drifting():
    """Batches of 20; after 40 of them each label means the opposite."""
    rng = np.random.default_rng(0)
    for number in itertools.count():
        x = rng.normal(size=(20, 4)).astype(np.float32)
        yield x, ((x[:, 0] > 0) ^ (number >= 40)).astype(int)


def test_reports_come_by_samples_and_the_fading_average_follows_a_drift():
    sentinel = Sentinel.train(drifting, concurrency=1, report_every=100, fading=0.98)
    with deploy(Gate(nn.Linear(4, 2), optim.SGD(1.0))) as running:
        running.attach(sentinel, epochs=9)
        history = running.wait(progress=False)
        frame = history.to_frame()
    assert [one.samples for one in history] == [100] * 9
    fading = [one.scores["fading_accuracy"] for one in history]
    assert fading[7] > 0.9 > fading[8]
    assert "fading_loss" in str(history) and list(frame["fading_accuracy"]) == fading
