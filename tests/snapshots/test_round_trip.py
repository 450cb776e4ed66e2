"""Snapshots are loaded bit for bit, in their saved form."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from akkordeon_dask import nn, optim
from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.snapshots import Store
from akkordeon_dask.tree import Tree, map_leaves, paths
from tests.support.snapshot_trees import arrays, same, trees

law = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
on_disk = settings(law, max_examples=30)

OPTIMIZERS = [optim.SGD(0.1), optim.SGD(0.1, momentum=0.9), optim.Adam(0.01), optim.DCASGD(0.1), optim.DCASGDa(0.1)]


class Version(NamedTuple):
    number: int
    params: Tree
    state: Tree


@dataclass
class Plain:
    best: float | None
    inner: Tree


@law
@given(trees)
@example({"": [np.zeros(1)], "0": np.ones(1), "0~1": np.full(1, 2.0)})
@example({"__metadata__": np.zeros(1), "__metadata__~1": np.ones(1)})
def test_any_tree_comes_back(memory_url, tree):
    store = Store(memory_url, keep=1)
    store.save("g0", tree, number=1)
    assert same(store.load("g0").tree, tree)
    if tree is not None:
        assert same(store.load("g0", like=tree).tree, tree)


@on_disk
@given(st.lists(arrays, max_size=5))
def test_the_arrays_are_a_safetensors_file(tmp_path, several):
    url = Store(tmp_path, keep=1).save("g0", several, number=1)
    read = load_file(url.replace(".json", ".safetensors"))
    assert read.keys() == {str(place) for place in range(len(several))}
    assert all(same(read[str(place)], array.copy(order="C")) for place, array in enumerate(several))


def test_each_array_in_the_file_starts_on_a_multiple_of_its_item(tmp_path):
    several = [np.zeros(3, "u1"), np.zeros(5), np.zeros(7, "f4"), np.zeros(2, "i8"), np.zeros(1, "?")]
    url = Store(tmp_path).save("g0", several, number=1)
    content = Path(url.replace(".json", ".safetensors")).read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    for place, array in enumerate(several):
        assert (start + header[str(place)]["data_offsets"][0]) % array.itemsize == 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_a_gate_comes_back_with_its_optimizer(url, optimizer):
    chain = nn.Linear(4, 3) >> nn.BatchNorm1d(3) >> nn.Linear(3, 2)
    params = chain.init(np.random.default_rng(1))
    state = optimizer.init(params)
    for _ in range(3):
        params, state = optimizer.update(params, state, params, stale_params=params)
    version = Version(3, params, state)
    fresh = Version(0, map_leaves(np.zeros_like, params), optimizer.init(params))
    store = Store(url)
    store.save("g0", version, number=3, facts={"lr": [0.1, None]}, generation=2)
    saved = store.load("g0", like=fresh)
    assert same(saved.tree, version) and saved.tree.state.count == 3
    assert (saved.series, saved.number, saved.generation, saved.facts) == ("g0", 3, 2, {"lr": [0.1, None]})
    assert saved.url.startswith(url) and saved.url.endswith(".json")


def test_without_a_likeness_records_are_dicts_of_their_fields(memory_url):
    store = Store(memory_url)
    store.save("g0", Version(1, Plain(None, np.zeros(2)), ()), number=1)
    expected = {"number": 1, "params": {"best": None, "inner": np.zeros(2)}, "state": ()}
    assert same(store.load("g0").tree, expected)
    likeness = Version(0, Plain(1.5, np.ones(2)), ())
    assert same(store.load("g0", like=likeness).tree, Version(1, Plain(None, np.zeros(2)), ()))


def test_arrays_have_the_names_of_their_paths(tmp_path):
    params = ({"w": np.zeros((2, 3)), "statistics": {"mean": np.ones(3)}}, (), {"b": np.array(1)})
    url = Store(tmp_path).save("g0", params, number=1)
    assert load_file(url.replace(".json", ".safetensors")).keys() == {path for path, _ in paths(params)}


def test_loaded_arrays_are_writable_and_aligned(url):
    store = Store(url)
    store.save("g0", [np.zeros(3, "u1"), np.zeros(5), np.zeros(7, "f4")], number=1)
    for array in store.load("g0").tree:
        assert array.flags.writeable and array.flags.aligned
        array.fill(1)


UNLIKE = {
    "another shape": ({"w": np.zeros(3)}, {"w": np.zeros(4)}, r"'w'.*\(3,\) of float64.*\(4,\) of float64"),
    "another dtype": ({"w": np.zeros(3)}, {"w": np.zeros(3, "f4")}, "'w'.*of float64.*of float32"),
    "another key": ({"w": np.zeros(3)}, {"v": np.zeros(3)}, r"''.*fields \(w\).*fields \(v\)"),
    "one more": ((1, {"a": ()}), (1, {"a": (2,)}), "'1.a'.*a tuple of 0.*a tuple of 1"),
    "a list": (([],), ((),), "'0'.*a list of 0.*a tuple of 0"),
    "a number": ((np.zeros(()),), (0.0,), "'0'.*an array.*a number, text or None"),
    "an optimizer": (optim.State(1, ()), {"w": ()}, r"fields \(count, slots, rate, delay, mean_delay\).*fields \(w\)"),
    "a record of other fields": ({"a": 1}, Plain(1, 2), r"fields \(a\).*fields \(best, inner\)"),
}


@pytest.mark.parametrize("case", UNLIKE.values(), ids=UNLIKE)
def test_a_tree_that_does_not_fit_is_refused_with_its_path_and_both_sides(memory_url, case):
    tree, like, text = case
    store = Store(memory_url)
    url = store.save("g0", tree, number=1)
    with pytest.raises(CheckpointError, match=text) as caught:
        store.load("g0", like=like)
    assert url in str(caught.value)


def test_a_later_field_has_its_default(memory_url):
    store = Store(memory_url)
    store.save("g0", {"count": 3, "slots": ()}, number=1)
    assert same(store.load("g0", like=optim.State(0, (), rate=0.5)).tree, optim.State(3, (), rate=1.0))
    store.save("g0", {"count": 3}, number=2)
    with pytest.raises(CheckpointError, match=r"has the fields \(count\).*fields \(count, slots, rate, delay, mean"):
        store.load("g0", like=optim.State(0, ()))


ODD = {
    "a set": ({"a": [{1}]}, "'a.0'"),
    "a class": ((Plain,), "'0'"),
    "a number as key": ({"a": {1: 2}}, "'a'"),
    "objects": ((np.array([None]),), "'0' is of object"),
    "text in an array": ([1, np.array(["x"])], "'1' is of <U1"),
    "the other byte order": ([np.zeros(2, ">f4")], "'0' is of >f4"),
    "bytes": (b"x", "b'x' at ''"),
}


@pytest.mark.parametrize("case", ODD.values(), ids=ODD)
def test_a_value_that_cannot_be_saved_is_named_and_nothing_is_written(url, case):
    tree, text = case
    store = Store(url)
    store.save("g0", (), number=1)
    with pytest.raises(CheckpointError, match=text):
        store.save("g0", tree, number=2)
    assert store.numbers("g0") == [1]


@pytest.mark.parametrize("facts", [{"a": {1}}, {"a": np.zeros(1)}, {(1, 2): 3}])
def test_facts_that_are_not_json_are_refused(memory_url, facts):
    with pytest.raises(CheckpointError, match="facts of a snapshot of 'g0' are not JSON"):
        Store(memory_url).save("g0", (), number=1, facts=facts)
