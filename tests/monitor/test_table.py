from io import StringIO

import pytest
from rich.console import Console

from akkordeon_dask import Sentinel, data, nn
from akkordeon_dask.monitor import PassTable
from tests.monitor._reports import report

DIGITS = data.mnist_sample("train")
SENTINELS = {
    "watcher": Sentinel.validate(DIGITS),
    "left": Sentinel.train(DIGITS, epochs=10, scores=(nn.Accuracy(),)),
    "right": Sentinel.train(DIGITS),
}


def drawn(table):
    """The cells of each line of the table, as a terminal of 120 columns shows them."""
    console = Console(record=True, width=120, file=StringIO(), force_terminal=True)
    console.print(table)
    lines = console.export_text().splitlines()
    return [[cell.strip() for cell in line.strip("┃│").split(line[0])] for line in lines if line[0] in "┃│"]


def test_every_sentinel_has_a_row_from_the_beginning_and_those_that_train_come_first():
    head, *rows = drawn(PassTable(SENTINELS))
    assert head == ["sentinel", "mode", "epoch", "loss", "samples/s", "seconds", "progress"]
    assert [row[:2] for row in rows] == [["left", "train"], ["right", "train"], ["watcher", "validate"]]
    assert [row[2:6] for row in rows] == [[""] * 4] * 3


def test_a_row_shows_the_newest_pass():
    table = PassTable(SENTINELS)
    table.add(report("left", 1, loss=2.0, scores={"accuracy": 0.1}))
    table.add(report("left", 2, loss=1.25, scores={"accuracy": 0.5}, samples=30_000, seconds=1.5))
    head, left, *_ = drawn(table)
    assert head[4] == "accuracy"
    assert left[:7] == ["left", "train", "2", "1.250000", "0.500000", "20,000", "1.500"]


def test_every_score_has_a_column_and_a_sentinel_without_it_an_empty_cell():
    table = PassTable(SENTINELS)
    table.add(report("left", scores={"accuracy": 0.5}))
    table.add(report("watcher", mode="validate", scores={"top5": 0.9}))
    head, left, _, watcher = drawn(table)
    assert head[4:6] == ["accuracy", "top5"]
    assert left[4:6] == ["0.500000", ""]
    assert watcher[4:6] == ["", "0.900000"]


@pytest.mark.parametrize("epoch", [3, 5, 10])
def test_the_bar_grows_with_the_epochs(epoch):
    table = PassTable({"left": SENTINELS["left"]})
    assert bar_share(table) == 0
    table.add(report("left", epoch))
    assert bar_share(table) == pytest.approx(epoch / 10)


def test_the_wait_may_say_how_many_epochs_there_are():
    table = PassTable(SENTINELS, epochs=4)
    table.add(report("right", 1))
    assert bar_share(table, row=1) == pytest.approx(1 / 4)


def test_only_training_with_an_end_has_a_bar():
    _, left, right, watcher = drawn(PassTable(SENTINELS))
    assert left[-1]
    assert (right[-1], watcher[-1]) == ("", "")


def test_a_sentinel_that_came_later_gets_its_row():
    table = PassTable({})
    table.add(report("late", mode="test"))
    assert drawn(table)[1][:3] == ["late", "test", "1"]


def bar_share(table, row=0):
    """How much of a row's bar is done, of 1."""
    bar = list(table.__rich__().columns[-1].cells)[row]
    return bar.completed / bar.total
