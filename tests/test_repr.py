"""Values print as they were written."""

import subprocess
import sys
from dataclasses import dataclass, field
from typing import ClassVar

import cloudpickle
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask._repr import Written
from tests.support.patience import PATIENCE


@dataclass(frozen=True, repr=False)
class Note(Written):
    pitch: object
    length: object = 1
    bow: object = "up"
    marks: tuple = field(default_factory=tuple)
    heard: int = field(default=0, repr=False, compare=False)


@dataclass(frozen=True, repr=False)
class Rest(Written):
    namespace: ClassVar[str] = "music."

    length: float = 0.5


values = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 0.5, 1.0, "up", "down"])
notes = st.recursive(values, lambda inner: st.builds(Note, inner, inner, inner), max_leaves=5)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.builds(Note, notes, notes, notes, st.lists(values, max_size=2).map(tuple)))
def test_the_printed_text_makes_an_equal_value(note):
    again = eval(repr(note), {"Note": Note})
    assert again == note and repr(again) == repr(note) and hash(again) == hash(note)


def test_a_default_is_not_printed():
    assert repr(Note("a")) == repr(Note("a", 1, "up", ())) == "Note('a')"
    assert repr(Note("a", bow="down")) == "Note('a', bow='down')"
    assert repr(Note("a", 2, marks=("f",))) == "Note('a', length=2, marks=('f',))"


def test_equal_values_of_unlike_type_are_distinguished():
    assert repr(Note("a", True)) == "Note('a', length=True)"
    assert repr(Note("a", 1.0)) == "Note('a', length=1.0)"


def test_a_namespace_stands_before_the_name():
    assert repr(Rest()) == "music.Rest()"
    assert repr(Note(Rest(1.5))) == "Note(music.Rest(length=1.5))"


def test_a_hidden_field_is_not_printed():
    assert repr(Note("a", heard=3)) == "Note('a')"


def test_a_class_of_another_package_prints_without_the_namespace():
    foreign = type("Foreign", (Rest,), {"__module__": "my_layers"})
    assert repr(foreign()) == "Foreign()"


def test_a_class_of_a_script_prints_where_it_was_sent(monkeypatch):
    monkeypatch.setattr(Note, "__module__", "__main__")  # so it travels by value
    there = "import pickle, sys; print(pickle.load(sys.stdin.buffer))"
    sent = cloudpickle.dumps(Note("a", marks=("slur",)))
    heard = subprocess.run([sys.executable, "-c", there], input=sent, capture_output=True, timeout=PATIENCE, check=True)
    assert heard.stdout.decode().strip() == "Note('a', marks=('slur',))"
