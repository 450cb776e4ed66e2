"""The tables of `status`, in whatever terminal."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from akkordeon_dask.console import status_table
from akkordeon_dask.messages import PassReport
from akkordeon_dask.telemetry import LiveGate, LiveSentinel, NetworkStatus


@pytest.mark.parametrize("name", ["[red]x[/red]", "a:x:b", "x\\"])
def test_names_are_text(name):
    gate = LiveGate(name, name, "tcp://127.0.0.1:1", "stuck", policy=name, stuck=name)
    sentinel = LiveSentinel(name, "train", name, "tcp://127.0.0.1:1", "running", 1, None, 0.0, 0, 1, 0, None)
    console = Console(file=io.StringIO(), width=160, color_system=None)
    console.print(status_table([NetworkStatus(name, name, (gate,), (sentinel,))]))
    lines = console.file.getvalue().splitlines()
    assert [line.count(name) for line in lines if name in line] == [2, 2, 2, 1, 2]


GATE = LiveGate(
    "encoder", "alice", "tcp://127.0.0.1:1", "running", 12_345, 0.87, 9_876.0, 1.0, 1_234.0, 3, 1, 2, 1.5, 4
)
SILENT = LiveGate("decoder", "bob", "tcp://127.0.0.1:2", "no answer")
REPORT = PassReport("train0", "train", 7, 2.5, {}, 60_000, 0, 7.5, 0)
TRAIN = LiveSentinel("train0", "train", "alice", "tcp://127.0.0.1:1", "running", 8, None, 0.0, 0, 1, 0, REPORT)
WAITS = replace(TRAIN, name="slow", worker="bob", report=None, activity="waiting for data since 12 s")
DIGITS = NetworkStatus("digits", None, (GATE, SILENT), (TRAIN, WAITS))


@pytest.mark.parametrize("width", [24, 40, 50, 60, 70, 80, 100, 120])
def test_whatever_the_width_nothing_is_cut_off_and_no_line_is_too_long(width):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(status_table([DIGITS]))
    lines = console.file.getvalue().splitlines()
    words = " ".join(lines).split()
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    figures = {
        "encoder",
        "alice",
        "12,345",
        "1,234",
        "9,876",
        "87%",
        "1.5/4",
        "decoder",
        "bob",
        "2.500000",
        "8,000",
        "12",
    }
    assert figures <= {word.removesuffix(",") for word in words}


def test_a_narrow_terminal_has_a_sentence_for_each_row_and_says_nothing_of_what_is_unknown():
    console = Console(file=io.StringIO(), width=60, color_system=None)
    console.print(status_table([DIGITS]))
    lines = console.file.getvalue().splitlines()
    assert "gate decoder, worker bob, state no answer" in lines
    assert "sentinel slow, mode train, worker bob, state waiting for " in "\n".join(lines)
