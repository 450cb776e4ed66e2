"""Views without a network: a terminal and a notebook that remember what they were told."""

import io
import logging
import sys
import types
from dataclasses import replace
from io import StringIO
from unittest.mock import Mock

import click
import pytest
from rich.console import Console

from akkordeon_dask.console import Row, make_view
from akkordeon_dask.console._view import LineView, NotebookView, TerminalView
from akkordeon_dask.messages import PassProgress
from tests.support.terminal_screen import lines_left

ROW = Row("train0", 2, 5, PassProgress(2, 50, 100, 0.5, {"accuracy": 0.75}, 1.0))
LINES = [f"train0 epoch: {number} [red]{'x' * 120}" for number in range(3)]
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


@pytest.fixture
def terminal(monkeypatch):
    """Called in the test, for pytest has its own until then: makes a terminal of standard output."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")

    def begin():
        written = StringIO()
        written.isatty = lambda: True
        monkeypatch.setattr(sys, "stdout", written)
        return written

    return begin


@pytest.fixture
def notebook(monkeypatch):
    """IPython's display, which remembers: gives `(display's number, what it showed)` for each call."""
    calls, made = [], []

    class Handle:
        def __init__(self):
            made.append(self)
            self.number = len(made)

        def update(self, bundle, *, raw):
            assert raw
            calls.append((self.number, bundle))

    def display(bundle, *, raw, display_id):
        assert raw and display_id is True
        handle = Handle()
        handle.update(bundle, raw=True)
        return handle

    module = types.ModuleType("IPython.display")
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return calls


def test_a_terminal_keeps_the_lines_and_nothing_of_the_bars(terminal):
    written = terminal()
    with make_view(None) as view:
        for line in LINES:
            view.draw([ROW, ROW])
            assert "pass 2/5" in lines_left(written.getvalue())[-1]
            view.say(line)
        view.draw([ROW] * 30)
    assert lines_left(written.getvalue()) == LINES
    assert written.getvalue().rindex(SHOW) > written.getvalue().rindex(HIDE)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_error_or_an_interrupt_leaves_the_terminal_as_it_was(terminal, error):
    written = terminal()

    def shows():
        with make_view(None) as view:
            view.draw([ROW])
            raise error

    with pytest.raises(error):
        shows()
    assert lines_left(written.getvalue()) == []
    assert written.getvalue().rindex(SHOW) > written.getvalue().rindex(HIDE)
    assert sys.stdout is written


def test_output_of_the_program_stands_between_the_lines(terminal):
    written = terminal()
    with make_view(None) as view:
        view.draw([ROW])
        click.echo("a word of the program")
        view.draw([ROW])
        view.say("a pass")
    assert lines_left(written.getvalue()) == ["a word of the program", "a pass"]


def test_log_lines_of_handlers_that_were_made_before_stand_between_the_lines(terminal, monkeypatch):
    written = terminal()
    monkeypatch.setattr(sys, "stderr", written)
    handler, logger = logging.StreamHandler(), logging.getLogger("tests.of.views")
    logger.addHandler(handler)
    try:
        with make_view(None) as view:
            view.draw([ROW, ROW])
            logger.error("a worker is gone")
            view.say("a pass")
        logger.error("after it")
        assert handler.stream is written
    finally:
        logger.removeHandler(handler)
    assert lines_left(written.getvalue()) == ["a worker is gone", "a pass", "after it"]


def test_a_line_that_the_program_did_not_end_is_not_lost(terminal):
    written = terminal()
    with make_view(None) as view:
        view.draw([ROW])
        sys.stdout.write("so far")
    assert lines_left(written.getvalue()) == ["so far"]


def test_the_echo_of_an_interrupt_has_room_behind_the_bars(terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    written = terminal()
    with make_view(None) as view:
        view.draw([ROW] * 30)
        assert max(map(len, lines_left(written.getvalue()))) == 100 - len("^C")


def test_bars_are_redrawn_when_something_has_changed(terminal):
    written = terminal()
    with make_view(None) as view:
        for row in (ROW, ROW, replace(ROW, epoch=3), replace(ROW, epoch=3)):
            view.draw([row])
        assert written.getvalue().count("pass ") == 2


def test_a_terminal_that_went_away_can_be_shown_to_again(terminal, monkeypatch):
    written = terminal()
    with monkeypatch.context() as gone, pytest.raises(OSError, match="went away"), make_view(None):
        gone.setattr(written, "write", Mock(side_effect=OSError("went away")))
    assert sys.stdout is written
    with make_view(None) as view:
        view.draw([ROW])
        assert "pass 2/5" in lines_left(written.getvalue())[-1]


def test_a_second_view_of_the_terminal_writes_lines_above_the_bars_of_the_first(terminal):
    written = terminal()
    with make_view(None) as first:
        first.draw([ROW])
        with make_view(None) as second:
            second.draw([ROW])
            second.say("of the second")
            first.draw([ROW])
        first.say("of the first")
        assert written.getvalue().count(HIDE) == 1
    assert lines_left(written.getvalue()) == ["of the second", "of the first"]


def test_views_one_after_another_each_have_their_bars(terminal):
    written = terminal()
    for line in LINES:
        with make_view(None) as view:
            view.draw([ROW])
            view.say(line)
    assert written.getvalue().count("pass 2/5") >= len(LINES)
    assert lines_left(written.getvalue()) == LINES


def test_a_file_gets_lines_alone_where_they_are_asked_for(monkeypatch):
    written = StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert make_view(None) is None and make_view(False) is None
    with make_view(True) as view:
        view.draw([ROW])
        view.say(LINES[0])
    assert written.getvalue() == LINES[0] + "\n"


def test_letters_that_the_output_cannot_have_are_written_as_their_numbers(monkeypatch):
    written = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", written)
    with make_view(True) as view:
        view.say("gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n")
        view.say("blue")
    assert written.buffer.getvalue().decode("ascii").split() == [r"gr\xfcn", "blue"]


@pytest.mark.parametrize("progress", [None, True])
def test_a_process_without_standard_output_shows_nothing(monkeypatch, progress):
    monkeypatch.setattr(sys, "stdout", None)
    assert make_view(progress) is None


@pytest.mark.parametrize("progress", [None, True])
def test_a_terminal_that_knows_no_controls_gets_lines(terminal, monkeypatch, progress):
    terminal()
    monkeypatch.setenv("TERM", "dumb")
    assert type(make_view(progress)) is LineView


def test_false_shows_nothing_anywhere(terminal):
    terminal()
    assert make_view(False) is None
    assert type(make_view(None)) is type(make_view(True)) is TerminalView


def test_without_a_standard_output_nothing_is_shown(monkeypatch):
    closed = io.StringIO()
    closed.close()
    for stdout in (None, closed):
        monkeypatch.setattr(sys, "stdout", stdout)
        assert make_view(None) is None


def test_a_notebook_has_one_output_that_is_replaced_and_ends_with_all_lines(notebook):
    view = make_view(None, Console(force_jupyter=True))
    assert type(view) is NotebookView
    said = [f"pass {number} [of] <many>" for number in range(1000)]
    with view:
        for line in said:
            view.say(line)
            view.draw([ROW])
    assert {number for number, _ in notebook} == {1}
    assert len(notebook) < len(said) / 10
    first, last = notebook[0][1], notebook[-1][1]
    assert "train0 pass 2/5" in first["text/plain"] and "<pre" in first["text/html"]
    assert last["text/plain"].splitlines() == said
    assert "&lt;many&gt;" in last["text/html"] and "pass 2/5" not in last["text/html"]


def test_a_notebook_shows_the_newest_lines_while_it_runs(notebook):
    with NotebookView() as view:
        for number in range(1000):
            view.say(f"line {number}")
        view.draw([ROW])
        shown = notebook[-1][1]["text/plain"].splitlines()
        assert shown[:2] == ["980 earlier lines", "line 980"] and len(shown) == 22


def test_a_notebook_in_which_nothing_happens_shows_nothing(notebook):
    with NotebookView():
        pass
    assert notebook == []
