import math

import pytest
from hypothesis import given

from akkordeon_dask.console import pass_line
from tests.support.pass_reports import report, reports
from tests.support.programs import LINE


def test_a_pass_reads_as_the_original_wrote_it_with_the_name_of_its_score():
    passed = report("tdp", loss=2.939994, scores={"accuracy": 0.226185}, seconds=7.10507)
    line = "tdp        epoch:     1 loss:  2.939994 duration: 7105.07ms scores: (accuracy: 0.226185)"
    assert pass_line(passed) == line


def test_several_scores_have_their_names_and_are_separated_by_commas():
    line = pass_line(report(scores={"accuracy": 0.5, "top5": 1.0}))
    assert line.endswith(" scores: (accuracy: 0.500000, top5: 1.000000)")


@given(reports())
def test_a_line_gives_the_pass_back(passed):
    line = LINE.fullmatch(pass_line(passed))
    assert line is not None
    assert line["sentinel"] == passed.sentinel
    assert int(line["epoch"]) == passed.epoch
    assert float(line["loss"]) == pytest.approx(passed.loss, abs=1e-6, nan_ok=True)
    assert float(line["milliseconds"]) == pytest.approx(passed.seconds * 1e3, rel=1e-12, abs=0.006)
    scores = dict(score.split(": ") for score in line["scores"].split(", ") if score)
    assert {name: float(score) for name, score in scores.items()} == pytest.approx(dict(passed.scores), abs=1e-6)


@given(reports())
def test_short_names_begin_their_figures_in_one_column(passed):
    if len(passed.sentinel) <= 10:
        assert pass_line(passed).index(" epoch: ") == 10


def test_a_loss_that_is_not_a_number_is_said():
    assert " loss:       nan " in pass_line(report(loss=math.nan))
