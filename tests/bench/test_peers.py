"""The race with peers counts a user's lines, and a side that hangs or dies is a row of its table."""

import sys

import pytest

from tests.bench._peers import SIDES, Outcome, _run, lines_of, table
from tests.support.patience import PATIENCE


def written(client):
    """A docstring is no line of a user's."""
    import json

    return json.dumps(
        client,
    )


def test_lines_are_those_of_the_body_without_empty_ones():
    assert lines_of(written) == 4
    assert all(3 < lines_of(side.train) < 25 for side in SIDES.values())


@pytest.mark.parametrize(
    ("program", "limit", "said"),
    [
        ("import threading; threading.Event().wait()", 0.5, "no end within 0.5 s"),
        ("import sys; sys.exit('the last word')", PATIENCE, "its process ended with 1: the last word"),
        ("import os; os.kill(os.getpid(), 9)", PATIENCE, "its process ended with -9: no word"),
    ],
)
def test_a_side_that_does_not_answer_is_a_row(program, limit, said):
    outcome = _run([sys.executable, "-c", program], limit, Outcome("xgboost", killed=True))
    assert outcome.happened == said
    *_, row = table([outcome])
    assert row.startswith("| xgboost.dask |")
    assert row.endswith(f"| {said} |")


def test_an_answer_is_taken_whatever_else_was_printed():
    program = """print('noise'); print('{"side": "skorch", "killed": false, "seconds": 2.0, "rows": 10}')"""
    outcome = _run([sys.executable, "-c", program], PATIENCE, Outcome("skorch", killed=False))
    assert (outcome.rows, outcome.seconds) == (10, 2.0)
    assert "| 5 |" in outcome.line()
