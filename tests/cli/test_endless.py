"""The first pass over data that never end: it is said, once, what to do."""

import queue
import threading
from types import SimpleNamespace

import pytest

from akkordeon_dask import Sentinel, data
from akkordeon_dask.cli import _endless
from akkordeon_dask.cli._endless import length_note, note_of_length
from akkordeon_dask.cli._output import Output
from akkordeon_dask.cli.commands._sentinel import _work
from akkordeon_dask.messages import PassProgress

NOTE = "--report-every 10s prints one so often"


def numbers():
    raise AssertionError("nobody draws")


def attached(*, total=None, seconds=30.0, seen=0, **options):
    """Stands for a sentinel in its first pass, or behind it."""
    progress = PassProgress(1, 5_000, total, 0.5, {}, seconds)
    sentinel = Sentinel.train(data.stream(numbers), **options)
    return SimpleNamespace(sentinel=sentinel, name="train0", progress=progress, reports=SimpleNamespace(seen=seen))


def test_a_long_first_pass_without_a_known_end_has_a_note_that_names_the_option():
    note = length_note(attached())
    assert note.startswith("the first pass of sentinel train0 goes on, 5,000 samples so far") and note.endswith(NOTE)


@pytest.mark.parametrize(
    "facts",
    [{"total": 9_000}, {"seconds": 1.0}, {"seen": 1}, {"report_every": "10s"}, {"batches_per_pass": 5}],
    ids=["known length", "short", "second pass", "so often", "so many batches"],
)
def test_other_passes_have_none(facts):
    assert length_note(attached(**facts)) is None


def test_it_has_none_before_it_begins():
    one = attached()
    one.progress = None
    assert length_note(one) is None


def test_the_note_is_said_once_while_the_pass_goes_on(monkeypatch):
    monkeypatch.setattr(_endless, "_POLL_S", 0.001)
    said = queue.SimpleQueue()
    with note_of_length(attached(), lambda *words: said.put(words)):
        label, text = said.get(timeout=60)
    assert label == "note" and text.endswith(NOTE)
    assert said.empty()


def test_the_command_says_it_while_it_shows_passes(monkeypatch):
    monkeypatch.setattr(_endless, "_POLL_S", 0.001)
    labels, noted = [], threading.Event()

    class Labels(Output):
        def say(self, label, text):
            labels.append(label)
            if label == "note":
                noted.set()

    def wait_for(one, *, progress):
        assert noted.wait(60)

    one = attached()
    one.worker = "tcp://127.0.0.1:1"
    _work(SimpleNamespace(name="n", wait_for=wait_for), one, Labels())
    assert labels == ["sentinel", "note", "end"]
