"""The ends of commands: errors, the debug mode, Ctrl-C; and the command `data`, without a network."""

import errno
import json
import math
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from akkordeon_dask import data
from akkordeon_dask.cli import akkordeon
from akkordeon_dask.cli._events import event_line
from akkordeon_dask.cli._output import JsonOutput, Output
from akkordeon_dask.errors import DataError
from tests.support.pass_reports import report


@pytest.fixture
def fetch(monkeypatch):
    """Call `data` with a stand-in for the download; returns click's result."""

    def call(download, *args, **env):
        monkeypatch.setattr(data, "download", download)
        return CliRunner(env=env).invoke(akkordeon, ["data", *args])

    return call


def fails(error):
    def download(name):
        raise error

    return download


@pytest.mark.parametrize(("args", "names"), [((), ["mnist", "fashion-mnist"]), (("mnist",), ["mnist"])])
def test_data_fetches_the_named_sets_and_prints_their_folders(fetch, args, names):
    done = fetch(lambda name: Path("cache") / name, *args)
    assert done.exit_code == 0
    assert done.output.splitlines() == [f"{name}: {Path('cache') / name}" for name in names]


def test_an_unknown_data_set_is_quoted(fetch):
    done = fetch(fails(AssertionError), "cifar")
    assert done.exit_code == 2
    assert "'cifar'" in done.output


def test_an_error_of_ours_is_its_message_and_exit_code_one(fetch):
    done = fetch(fails(DataError("no mirror gave it")))
    assert (done.exit_code, done.output) == (1, "Error: no mirror gave it\n")


def test_output_on_a_full_disk_is_one_line(fetch):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    done = fetch(fails(full))
    assert (done.exit_code, done.output) == (
        1,
        f"Error: cannot write the output: {full}: make room, or send it elsewhere\n",
    )
    assert fetch(fails(full), "--debug").exception is full


@pytest.mark.parametrize(("args", "env"), [(["--debug"], {}), ([], {"AKKORDEON_DEBUG": "1"})])
def test_in_debug_mode_the_error_comes_with_its_traceback(fetch, args, env):
    done = fetch(fails(DataError("no mirror gave it")), *args, **env)
    assert isinstance(done.exception, DataError)


def test_an_interrupt_has_its_message_and_exit_code(fetch):
    done = fetch(fails(KeyboardInterrupt()))
    assert done.exit_code == 130
    assert done.output.strip() == "Interrupted: all that was started has ended."


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_null_in_json(odd, capsys):
    output = JsonOutput()
    odd_pass = report(loss=odd, scores={"accuracy": odd, "top5": 0.5})
    output.test(odd_pass)
    output.end(1, odd_pass, 2.5)
    passed, end = map(json.loads, capsys.readouterr().out.splitlines())
    assert (passed["loss"], passed["scores"]) == (None, {"accuracy": None, "top5": 0.5})
    assert end["test"] == {"loss": None, "scores": {"accuracy": None, "top5": 0.5}, "samples": 100}


@pytest.mark.parametrize("text", ["has no data", "sentinel 'train0': has no data"])
def test_the_line_of_an_event_names_its_sentinel_once(text):
    fields = {"event": "failed", "sentinel": "train0", "text": text}
    assert event_line(fields, {}) == ("failed", "sentinel 'train0': has no data")


@pytest.mark.parametrize("output", [Output(), JsonOutput()])
def test_a_report_is_announced_before_it_takes_its_time(output, capsys):
    said = []

    def write(path):
        said.extend(capsys.readouterr())

    running = SimpleNamespace(save=write, report=write)
    output.write_files(running, save=None, report="run.html")
    assert "".join(said) == "writing     the report run.html, which takes some seconds\n"
    assert "".join(capsys.readouterr()) == "report      run.html\n"
    said.clear()
    output.write_files(running, save="run.safetensors", report=None)
    assert "".join(said) == ""
