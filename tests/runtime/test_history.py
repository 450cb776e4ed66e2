"""Finished passes: a tuple, a table in a notebook, a frame of pandas."""

import math
import pickle
import sys

import pytest

from akkordeon_dask import History
from akkordeon_dask.errors import ReportError, SpecError
from akkordeon_dask.runtime._history import FinishedPasses
from tests.support.fake_heartbeats import HOSTILE
from tests.support.html_page import Page
from tests.support.pass_reports import report
from tests.support.patience import PATIENCE
from tests.support.small_networks import train
from tests.support.system_tools import give_up

PASSES = (
    report("train0", 1, loss=0.9),
    report("validate0", 1, mode="validate", scores={"accuracy": 0.5, "loss": 0.25}),
    report("train0", 2, scores={}, lost=3),
)


@pytest.fixture
def pandas():
    try:
        import pandas
    except ImportError:
        give_up("needs pandas: pip install pandas")
    return pandas


def test_the_history_of_a_running_network(running):
    assert running.history == () and isinstance(running.history, History)
    running.attach(train(epochs=2))
    history = running.wait(timeout=PATIENCE)
    assert isinstance(history, History)
    assert history == running.history and [one.epoch for one in history] == [1, 2]


def test_a_history_is_the_tuple_of_its_passes():
    history = History(PASSES)
    assert history == PASSES and len(history) == 3 and PASSES[0] in history
    assert history[1] is PASSES[1] and history[-1] is PASSES[-1]
    assert type(history[1:]) is History and history[1:] == PASSES[1:]
    assert type(history + history) is History and history[:1] + PASSES[1:] == history
    assert {*history, *PASSES} == {*PASSES}
    copy = pickle.loads(pickle.dumps(history))
    assert type(copy) is History and copy == history


def test_a_frame_has_a_row_for_each_pass_and_a_column_for_each_score(pandas):
    frame = History(PASSES).to_frame()
    assert list(frame.columns) == [
        *("sentinel", "mode", "epoch", "loss", "accuracy", "score_loss"),
        *("samples", "lost", "resent", "seconds", "samples_per_s"),
        *("ended", "elapsed", "updates", "samples_trained", "rolled_back"),
    ]
    assert list(frame["sentinel"]) == ["train0", "validate0", "train0"]
    assert list(frame["loss"]) == [0.9, 0.5, 0.5] and list(frame["lost"]) == [0, 0, 3]
    assert list(frame["accuracy"])[:2] == [0.75, 0.5] and math.isnan(frame["accuracy"][2])
    assert frame["score_loss"][1] == 0.25 and math.isnan(frame["score_loss"][0])
    assert pandas.api.types.is_integer_dtype(frame["samples"])


def test_a_frame_of_nothing_has_the_columns(pandas):
    frame = History().to_frame()
    assert len(frame) == 0 and "loss" in frame.columns and "scores" not in frame.columns


def test_without_pandas_a_frame_names_the_package_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ReportError, match="pip install pandas"):
        History(PASSES).to_frame()


def test_in_a_notebook_the_newest_stand_first_and_hostile_names_are_text():
    page = Page(History([*PASSES, report(HOSTILE, 7)])._repr_html_())
    header, newest, *_, oldest = page.rows
    assert (header[0], newest[0], newest[2], oldest[3]) == ("sentinel", HOSTILE, "7", "0.900000")
    assert "img" not in page.names
    assert "4 passes" in page.text


def test_in_a_notebook_very_many_are_cut_and_none_is_no_table():
    page = Page(History(report(epoch=epoch) for epoch in range(1, 201))._repr_html_())
    assert (len(page.rows), page.rows[1][2], page.rows[-1][2]) == (51, "200", "151")
    assert "200 passes" in page.text
    assert "table" not in Page(History()._repr_html_()).names


def test_the_history_of_a_long_run_is_bounded_and_who_follows_it_misses_nothing():
    passes, seen, followed = FinishedPasses(), 0, []
    for epoch in range(1, 25_001):
        passes.add(report("train0", epoch))
        if epoch % 999 == 0:
            new, seen = passes.since(seen)
            followed += [one.epoch for one in new]
    new, seen = passes.since(seen)
    followed += [one.epoch for one in new]
    assert followed == list(range(1, 25_001)) and seen == 25_000
    kept = [one.epoch for one in passes.history()]
    assert len(kept) <= 10_000 and kept == sorted(kept)
    assert kept[0] == 1 and kept[-5000:] == list(range(20_001, 25_001))
    assert passes.history(mine=True) == passes.history()


def test_it_prints_as_a_table():
    lines = str(History(PASSES)).splitlines()
    assert lines[0] == "3 passes" and lines[1].split()[:4] == ["sentinel", "mode", "pass", "loss"]
    assert lines[3].startswith("validate0  validate     1  0.500000  accuracy 0.5000, loss 0.2500")
    assert str(History()) == "0 passes"
    many = History(report(epoch=number) for number in range(1, 201))
    assert str(many).startswith("200 passes, the newest 50\n") and len(str(many).splitlines()) == 52
    assert str(many).splitlines()[-1].split()[2] == "200"


def test_names_of_any_kind_stay_on_their_line():
    assert len(str(History([report(HOSTILE, scores={"a\nb": 1.0, "\x1b[31m": 2.0})])).splitlines()) == 3


def curves(figure):
    """The points of all curves with a legend, by name."""
    return {
        one.name: list(zip(one.data_source.data["x"], one.data_source.data["value"], strict=True))
        for one in figure.renderers
        if one.name
    }


def test_its_plot_has_a_curve_for_each_sentinel():
    history = History(
        report(name, number, mode=name, loss=1 / number) for number in (1, 2) for name in ("train", "test")
    )
    losses = [(1.0, 1.0), (2.0, 0.5)]
    assert curves(history.plot()) == {"train": losses, "test": losses}
    assert curves(history.plot("scores")) == {name: [(1.0, 0.75), (2.0, 0.75)] for name in ("train", "test")}
    assert curves(history.plot(x="updates"))["train"] == [(0.0, 1.0), (0.0, 0.5)]
    assert curves(History().plot()) == {}


@pytest.mark.parametrize("options", [{"what": "accuracy"}, {"x": "seconds"}], ids=repr)
def test_it_plots_nothing_else(options):
    with pytest.raises(SpecError, match=r"plot: \w+ is one of '"):
        History(PASSES).plot(**options)
