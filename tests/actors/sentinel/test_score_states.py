"""Scores of an open pass: kept as states, saved as JSON, resumed by the next incarnation."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from akkordeon_dask import Sentinel, nn
from akkordeon_dask.actors.sentinel._evaluation import score_batch
from akkordeon_dask.actors.sentinel._in_flight import BatchInFlight
from akkordeon_dask.actors.sentinel._passes import Passes
from akkordeon_dask.actors.sentinel._position import Position
from akkordeon_dask.errors import SpecError
from tests.support.for_each import for_each
from tests.support.numbered_samples import numbered

SCORES = [nn.R2(), nn.RMSE(), nn.BinaryAccuracy()]
RNG = np.random.default_rng(0)
TARGET = 20_220_000 + RNG.normal(size=(40, 2))
Y = TARGET + RNG.normal(size=(40, 2))


def trains(scores=SCORES):
    return Sentinel.train(numbered(40), batch_size=8, epochs=1, loss=nn.MeanSquaredError(), scores=scores)


def begun(sentinel):
    passes = Passes(sentinel)
    assert passes.begin(0.0)
    return passes


def home(passes, *places, lost=False, scores=SCORES):
    """Batches of 8 samples come home."""
    for place in places:
        some = slice(8 * place, 8 * place + 8)
        ratings = score_batch(scores, Y[some], TARGET[some])
        flight = BatchInFlight(1, place, Y[some], TARGET[some], opening=False, loss=1.0, scores=ratings, skipped=lost)
        passes.complete(flight)


def draw(passes, batches=5):
    for _ in range(batches):
        passes.draw()
    passes.stop_drawing()


def report(passes):
    (one,) = passes.report("a", 1.0)
    return one.scores


def test_skipped_and_lost_batches_are_left_out_of_the_scores():
    passes = begun(trains())
    draw(passes)
    home(passes, 0, 2, 4)
    home(passes, 1, lost=True)
    passes.give_up(BatchInFlight(1, 3, Y[:8], None, opening=False))
    left = np.r_[0:8, 16:24, 32:40]
    assert report(passes) == {score.name: pytest.approx(score(Y[left], TARGET[left]), rel=1e-6) for score in SCORES}


def through_json(position):
    return Position.from_dict(json.loads(json.dumps(position.as_dict())))


def test_the_next_incarnation_resumes_the_scores():
    first = begun(trains())
    draw(first)
    home(first, 4, 1)
    position = through_json(first.position(0.5))
    assert position == first.position(0.5)
    second = Passes(trains())
    second.resume(position, 0.0)
    second.begin(0.0)
    draw(second)
    home(second, 0, 2, 3)
    assert report(second) == {score.name: pytest.approx(score(Y, TARGET), rel=1e-6) for score in SCORES}


def test_an_incarnation_with_other_scores_counts_the_new_ones_from_its_start():
    first = begun(trains([nn.RMSE()]))
    draw(first)
    home(first, 0, 1, scores=[nn.RMSE()])
    second = Passes(trains([nn.R2(), nn.RMSE()]))
    second.resume(through_json(first.position(0.5)), 0.0)
    second.begin(0.0)
    draw(second)
    home(second, 2, 3, 4, scores=[nn.R2(), nn.RMSE()])
    assert report(second) == {
        "r2": pytest.approx(nn.R2()(Y[16:], TARGET[16:]), rel=1e-6),
        "rmse": pytest.approx(nn.RMSE()(Y, TARGET), rel=1e-6),
    }


def test_a_position_of_before_scores_had_states_is_read():
    old = {"number": 1, "first": 0, "floor": 2, "beyond": [], "samples": 16, "lost": 0, "resent": 0}
    saved = {"finished": 0, "passes": [{**old, "loss": 16.0, "scores": [4.0], "seconds": 1.0}], "sequence": 5}
    passes = Passes(trains([nn.BinaryAccuracy()]))
    passes.resume(Position.from_dict(saved), 0.0)
    passes.begin(0.0)
    draw(passes)
    home(passes, 2, 3, 4, scores=[nn.BinaryAccuracy()])
    assert report(passes) == {"binary_accuracy": (4.0 + 24 * 1.0) / 40}


@dataclass(frozen=True, repr=False)
class Confusion(nn.Score):
    """States of arrays and numpy's numbers are kept as plain ones."""

    name = "confusion"

    def update(self, y, target):
        return [np.bincount(np.arange(4) % 2), (np.int64(3), np.float32(0.5))]

    def result(self, state):
        (no, yes), (threes, halves) = state
        return no + yes + threes + halves


def test_a_state_may_be_made_of_arrays_and_is_kept_as_plain_numbers():
    ratings = score_batch([Confusion()], Y, TARGET)
    assert ratings == {"confusion": ((2, 2), (3, 0.5))}
    assert json.loads(json.dumps(ratings)) == {"confusion": [[2, 2], [3, 0.5]]}
    assert Confusion().merge(ratings["confusion"], ratings["confusion"]) == ((4, 4), (6, 1.0))


@for_each("state", [{"tp": 1}, None, "abc", 3.0, ({1},), ("a",)])
def test_a_state_that_is_no_tuple_of_numbers_is_refused(state):
    @dataclass(frozen=True, repr=False)
    class Odd(nn.Score):
        name = "odd"

        def update(self, y, target):
            return state

    with pytest.raises(SpecError, match=r"Odd\(\): the state of a score is a tuple of numbers, not "):
        score_batch([Odd()], Y, TARGET)
