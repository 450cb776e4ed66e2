import math
import re
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from akkordeon_dask.console import Row
from akkordeon_dask.console._bars import bars
from akkordeon_dask.messages import PassProgress
from tests.support.pass_reports import report, reports


def drawn(*rows, width=100):
    """The lines of the bars of a terminal."""
    console = Console(width=width, file=StringIO(), force_terminal=True, color_system=None)
    console.print(bars(rows))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def progress(epoch=3, samples=250, total=1000, loss=0.5, seconds=2.0, **scores):
    return PassProgress(epoch, samples, total, loss, scores, seconds)


def test_a_bar_says_pass_share_loss_scores_speed_and_time_left():
    (line,) = drawn(Row("train0", 3, 10, progress(accuracy=0.875)))
    assert line.startswith("train0 pass 3/10 ━")
    assert line.endswith("25% loss 0.5000 accuracy 0.8750 125/s 0:06 left")


def test_the_bar_grows_with_the_pass():
    quarter, half = (
        Console(width=100, file=StringIO(), force_terminal=True, color_system="truecolor") for _ in range(2)
    )
    quarter.print(bars([Row("train0", 1, None, progress(samples=250))]))
    half.print(bars([Row("train0", 1, None, progress(samples=500))]))
    done = [console.file.getvalue().split("\x1b[0m")[0].count("━") for console in (quarter, half)]
    assert 0 < done[0] < done[1]


def test_a_pass_of_unknown_length_has_its_samples_and_no_end():
    (line,) = drawn(Row("train0", 1, None, progress(samples=25_000, total=None)))
    assert line.startswith("train0 pass 1 ") and " 25,000 loss 0.5000 " in line
    assert "left" not in line and "%" not in line


@pytest.mark.parametrize("running", [None, progress(epoch=2, samples=0, loss=math.nan)])
def test_until_the_first_batch_is_home_the_figures_are_those_of_the_pass_before(running):
    (line,) = drawn(Row("train0", 2, 10, running, report("train0", 1, loss=0.25, scores={"top5": 0.5})))
    assert line.endswith("loss 0.2500 top5 0.5000 200/s")
    assert "%" not in line


def test_one_that_is_paused_says_so():
    assert drawn(Row("train0", 1, 3, progress(), paused=True))[0].endswith("loss 0.5000 paused")
    assert drawn(Row("train0", 1, 3, paused=True))[0].endswith("paused")


def test_where_there_is_little_room_scores_are_cut_and_not_the_name():
    many = progress(accuracy=0.9, fading_loss=0.1, fading_accuracy=0.9)
    lines = drawn(Row("train0", 3, 10, many), Row("b" * 60, 3, 10, many), width=90)
    for line, name in zip(lines, (r"train0 +", "b{20,}…"), strict=True):
        assert re.match(f"{name} pass 3/10 ", line)
        assert " 25% loss 0.5000 accuracy 0.9000 " in line and line.endswith("… 125/s 0:06 left")


def test_many_sentinels_share_the_last_line():
    rows = [Row(f"train{number}", number, 99, progress()) for number in range(23)]
    *shown, rest = drawn(*rows)
    assert [line.split()[0] for line in shown] == [f"train{number}" for number in range(8)]
    assert rest == "and 15 more sentinels: passes 8 to 22"


def test_hours_and_minutes_are_left():
    (line,) = drawn(Row("train0", 1, None, progress(samples=1, total=4001, seconds=1.0)))
    assert line.endswith("1:06:40 left")


PROGRESS = st.builds(
    PassProgress,
    epoch=st.integers(1, 10**6),
    samples=st.integers(0, 10**9),
    total=st.integers(0, 10**9) | st.none(),
    loss=st.floats(),
    scores=st.dictionaries(st.sampled_from(["accuracy", "top5"]), st.floats()),
    seconds=st.floats(0, 1e6),
)


@given(
    st.lists(
        st.builds(
            Row,
            name=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=50),
            epoch=st.integers(0, 10**6),
            epochs=st.integers(1, 10**6) | st.none(),
            progress=PROGRESS | st.none(),
            newest=reports() | st.none(),
            paused=st.booleans(),
        ),
        max_size=30,
    ),
    st.integers(20, 200),
)
def test_whatever_is_at_work_has_a_bounded_number_of_lines_within_the_width(rows, width):
    lines = drawn(*rows, width=width)
    assert len(lines) <= 9
    assert all(len(line) <= width for line in lines)
