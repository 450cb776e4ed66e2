"""Scores of a pass equal scikit-learn's, whatever its batches, their order, and the batches that are lost."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from akkordeon_dask import Sentinel, data, nn
from akkordeon_dask.actors.sentinel._evaluation import evaluate
from akkordeon_dask.actors.sentinel._in_flight import BatchInFlight
from akkordeon_dask.actors.sentinel._passes import Passes
from akkordeon_dask.actors.sentinel._position import Position

bounded = settings(max_examples=60, deadline=None, derandomize=True)
VALUES = nn.MeanSquaredError()
LABELS = nn.SoftmaxCrossEntropy()


def probabilities(y):
    p = np.exp(y - y.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def area(t, y, w):
    return metrics.roc_auc_score(t, probabilities(y), multi_class="ovr", sample_weight=w)


def area_of_two(t, y, w):
    return metrics.roc_auc_score(t, y[:, 1] - y[:, 0], sample_weight=w)


def f1(average):
    return lambda t, y, w: metrics.f1_score(t, y.argmax(1), average=average, sample_weight=w, zero_division=0)


def balanced(t, y, w):
    return metrics.balanced_accuracy_score(t, y.argmax(1), sample_weight=w)


# The loss, the outputs, the score, and scikit-learn's of targets, outputs and weights.
CASES = {
    "R2": (VALUES, 2, nn.R2(), lambda t, y, w: metrics.r2_score(t, y, sample_weight=w)),
    "RMSE": (VALUES, 2, nn.RMSE(), lambda t, y, w: metrics.root_mean_squared_error(t, y, sample_weight=w)),
    "macro F1": (LABELS, 3, nn.F1(), f1("macro")),
    "micro F1": (LABELS, 3, nn.F1("micro"), f1("micro")),
    "balanced accuracy": (LABELS, 3, nn.BalancedAccuracy(), balanced),
    "AUC of two": (LABELS, 2, nn.ROCAUC(), area_of_two),
    "AUC of three": (LABELS, 3, nn.ROCAUC(), area),
}
SAMPLES = 60


def problem(loss, outputs, seed, weighted):
    """Outputs of few values, so that many are equal; the first samples have each label, and are never lost."""
    rng = np.random.default_rng(seed)
    y = rng.integers(-3, 4, (SAMPLES, outputs)) / 2
    target = np.arange(SAMPLES) % outputs if loss is LABELS else rng.normal(size=(SAMPLES, outputs))
    target[6:] = rng.permutation(target[6:])
    return y, target, rng.random(SAMPLES) + 0.1 if weighted else None, rng


def resumed(passes, sentinel):
    """The next incarnation of the sentinel, which begins at the position."""
    position = Position.from_dict(json.loads(json.dumps(passes.position(1.0).as_dict())))
    after = Passes(sentinel)
    after.resume(position, 1.0)
    after.begin(1.0)
    return after


@pytest.mark.parametrize("case", CASES)
@bounded
@given(size=st.integers(2, SAMPLES), lost=st.floats(0, 0.6), weighted=st.booleans(), seed=st.integers(0, 999))
def test_a_score_of_a_pass_is_scikit_learns_of_the_samples_that_were_not_lost(case, size, lost, weighted, seed):
    loss, outputs, score, reference = CASES[case]
    y, target, weights, rng = problem(loss, outputs, seed, weighted)
    provider = data.arrays(y, target, weights, shuffle=False)
    sentinel = Sentinel.train(provider, batch_size=size, loss=loss, scores=[score], epochs=1)
    batches = list(enumerate(provider.open().batches(1, size)))
    order = [batches[index] for index in rng.permutation(len(batches))]
    gone = {index for index, _ in batches if index * size >= 6 and rng.random() < lost}
    passes = Passes(sentinel)
    passes.begin(0.0)
    for turn, (index, batch) in enumerate(order):
        if turn == len(order) // 2:
            passes = resumed(passes, sentinel)
        flight = BatchInFlight(1, index, *batch[:2], opening=False, weights=batch[2] if weighted else None)
        if index in gone:
            passes.give_up(flight)
        else:
            evaluate(sentinel, flight, batch[0], None, print)
            passes.complete(flight)
    for _ in batches:
        passes.draw()
    passes.stop_drawing()
    (report,) = passes.report("it", 2.0)
    kept = np.concatenate([np.arange(SAMPLES)[index * size :][:size] for index, _ in batches if index not in gone])
    expected = reference(target[kept], y[kept], None if weights is None else weights[kept])
    assert report.scores[score.name] == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert report.samples == len(kept)
    losses = loss(y[kept], target[kept], need_dy=False, weights=None if weights is None else weights[kept])[0]
    assert report.loss == pytest.approx(losses, rel=1e-9)
