"""Ctrl-C, as a terminal sends it: to the program and to all that it started."""

import os
import signal
import urllib.request

import psutil
import pytest
from safetensors.numpy import load_file

from tests.support.html_page import Page
from tests.support.programs import LINE, PATIENCE, started

PROGRAM = """
import signal
from akkordeon_dask.cli import akkordeon
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
akkordeon()
"""


def until(stream, found):
    """Read lines up to the one that is looked for, and give it."""
    return next(line for line in stream if found(line))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_files_that_were_asked_for_hold_what_was_trained_until_an_interrupt(tmp_path, workers, number):
    saved, told = tmp_path / "digits.safetensors", tmp_path / "run.html"
    files = ("--save", saved, "--report", told)
    with started("-c", PROGRAM, "demo", "--epochs", 100_000, "--workers", workers, *files) as process:
        until(process.stdout, lambda line: line.startswith("train0"))
        # A terminal sends SIGINT to all, a service manager SIGTERM to the program alone.
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        rest, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert said.split("\n") == ["", "Interrupted: all that was started has ended.", ""]
    assert rest.splitlines()[-2:] == [f"saved       {saved}", f"report      {told}"]
    assert len(load_file(saved)) == 6
    assert "train0" in {row[1] for row in Page(told.read_text()).rows if len(row) > 1}


@pytest.mark.parametrize("workers", [0, 2])
def test_the_dashboard_answers_where_it_was_said_until_an_interrupt_ends_all(workers):
    with started("-c", PROGRAM, "demo", "--epochs", 100_000, "--workers", workers) as process:
        address = until(process.stdout, lambda line: line.startswith("dashboard")).split()[1]
        until(process.stdout, lambda line: line.startswith("train0"))
        with urllib.request.urlopen(address, timeout=PATIENCE) as page:
            assert page.status == 200
            assert b"bokeh" in page.read()
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= workers
        os.killpg(process.pid, signal.SIGINT)
        rest, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert said.split("\n") == ["", "Interrupted: all that was started has ended.", ""]
    assert all(map(LINE.fullmatch, rest.splitlines()))
    assert psutil.wait_procs(children, timeout=20)[1] == []
