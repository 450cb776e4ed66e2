"""The tables of `top`: what sentinels are at, in whatever terminal."""

import io
import math

import pytest
from rich.console import Console

from akkordeon_dask.console import top_table
from akkordeon_dask.messages import PassProgress
from akkordeon_dask.telemetry import Incident, LiveGate, LiveStatus, TelemetryStore
from akkordeon_dask.telemetry._live import live_status
from tests.support.fake_heartbeats import HOSTILE, beat, gate, passed, sentinel

HALF = PassProgress(3, 25_200, 60_000, 0.3101, {"accuracy": 0.912}, 95.0)
BEGUN = PassProgress(4, 0, 60_000, math.nan, {"accuracy": math.nan}, 0.0)


def live(**figures) -> LiveStatus:
    """A network of one gate and one sentinel, which has finished a pass."""
    store = TelemetryStore()
    for second in range(2):
        at = float(second)
        reported = {"samples": 12_345 * second, "in_flight": 4, "concurrency": 5, "epochs": 10, "epoch": 3} | figures
        store.update([beat(at=at, gates=[gate(at=at)], sentinels=[sentinel("train0", at, **reported)])], at)
        store.event(passed("train0", epoch=2, loss=0.75), at)
    return live_status(store.newest(), 1.0)


def shown(status, width=80, *, terminal=False):
    """The lines of the tables."""
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)
    console.print(top_table(status))
    return console.file.getvalue().splitlines()


def row(lines, title="sentinel"):
    """The first row below a title, as a dict; titles of two lines are known by their last."""
    place = next(number for number, line in enumerate(lines) if title in line.split())
    return dict(zip(lines[place].split(), lines[place + 2].split(), strict=True))


def test_inside_a_pass_it_says_how_much_is_done_what_is_left_and_loss_and_scores_so_far():
    lines = shown(live(progress=HALF))
    (line,) = [line for line in lines if line.startswith("train0")]
    words = line.split()
    assert words == ["train0", "train", "running", "3/10", "2m12s", "42%", "12,345", "4/5", "0.3101", "0.9120"]


@pytest.mark.parametrize("width", [*range(30, 80), 120])
def test_a_narrow_terminal_has_fewer_columns_and_cuts_none_off(width):
    lines = shown(live(progress=HALF), width)
    titles = [line.split() for line in lines if line.split()[:1] in (["gate"], ["sentinel"])]
    assert [words[0] for words in titles] == ["gate", "sentinel"]
    assert "busy" in titles[0] and {"done", "loss", "accuracy"} <= set(titles[1])
    assert not [line for line in lines if "…" in line] and max(map(len, lines)) <= width
    assert {"g0", "train0"} <= {line.split()[0] for line in lines if line}


@pytest.mark.parametrize("progress", [None, BEGUN])
def test_before_a_pass_has_figures_those_of_the_newest_finished_one_stand_there(progress):
    (line,) = [line for line in shown(live(progress=progress)) if line.startswith("train0")]
    assert line.split()[-2:] == ["0.7500", "0.9000"]


def test_a_pass_of_unknown_length_has_no_share_and_nothing_left():
    endless = PassProgress(1, 640, None, 0.5, {}, 2.0)
    (line,) = [line for line in shown(live(progress=endless)) if line.startswith("train0")]
    assert line.split()[3:6] == ["1/10", "-", "-"]


@pytest.mark.parametrize("lost", [0, 1_234])
def test_all_fits_into_80_columns_and_lost_samples_have_a_column_where_there_are_some(lost):
    lines = shown(live(progress=HALF, lost=lost))
    assert max(map(len, lines)) <= 80
    (line,) = [line for line in lines if line.startswith("train0")]
    assert ("1,234" in line.split()) == bool(lost)
    assert line.endswith("0.9120"), "no figure is cut"


def test_a_wide_terminal_has_a_bar_and_a_pipe_has_none():
    status = live(progress=HALF)
    assert any("━━━" in line for line in shown(status, 120, terminal=True))
    assert not any("━━━" in line for line in [*shown(status, 120), *shown(status, 80, terminal=True)])


def test_names_of_sentinels_and_scores_are_text():
    strange = PassProgress(1, 1, 2, 0.5, {"[red]x": 0.5, HOSTILE: 0.25, "a:x:b": 0.75}, 1.0)
    text = "\n".join(shown(live(progress=strange, mode="[bold]m"), 160))
    assert "[red]x" in text and HOSTILE in text and "a:x:b" in text and "[bold]m" in text


@pytest.mark.parametrize("name", ["[red]x[/red]", "a:x:b", "x\\"])
def test_names_of_networks_gates_and_actors_are_text(name):
    gates = (LiveGate(name, name, "tcp://127.0.0.1:1", "lost"),)
    incidents = (Incident(0.0, "lost", name, name),)
    lines = shown(LiveStatus(name, None, gates, (), incidents, 1), 160)
    assert [line.count(name) for line in lines if name in line] == [1, 2, 2]


def test_a_sentinel_whose_provider_blocks_says_since_when():
    status = live(progress=HALF, waiting=12.3)
    assert any("waiting for data since 12 s" in line for line in shown(status, 140))
    lines = shown(status)
    assert max(map(len, lines)) <= 80 and any("waiting" in line for line in lines)
