"""A damaged snapshot is recognised whatever its damage, and the one before it is loaded."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.snapshots import Store
from tests.support.snapshot_trees import logged, same

law = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
ENDINGS = [".json", ".safetensors"]


def tree(number):
    return {"w": np.full((3, 5), number, "f4"), "state": (number, [np.arange(4), np.array(True)]), "k": "é"}


def resealed(content, **changes):
    """A manifest with other entries whose sum is right."""
    body = json.dumps({key: value for key, value in json.loads(content).items() if key != "check"} | changes)
    behind = body.encode()[1:]
    return b'{"check": "' + hashlib.sha256(behind).hexdigest().encode() + b'",\n' + behind


@pytest.fixture
def two(tmp_path):
    """The paths of two snapshots' manifests in one series."""
    store = Store(tmp_path)
    return [Path(store.save("g0", tree(number), number=number, facts={"at": number})) for number in (1, 2)]


def check_that_the_first_is_loaded(folder, reason=""):
    store = Store(folder)
    with logged() as lines:
        saved = store.load("g0")
        assert saved.number == 1 and same(saved.tree, tree(1)) and saved.facts == {"at": 1}
        assert store.load("g0").number == 1
    assert len(lines) == 1 and "0000000002" in lines[0] and reason in lines[0], lines


def cut_off(whole, draw):
    return whole[: draw(st.integers(0, len(whole) - 1), "length")]


def with_a_flipped_bit(whole, draw):
    changed = bytearray(whole)
    changed[draw(st.integers(0, len(whole) - 1), "place")] ^= 1 << draw(st.integers(0, 7), "bit")
    return bytes(changed)


@pytest.mark.parametrize("damaged", [cut_off, with_a_flipped_bit])
@pytest.mark.parametrize("ending", ENDINGS)
@law
@given(data=st.data())
def test_a_file_cut_off_or_with_a_flipped_bit_anywhere_is_recognised(tmp_path, two, ending, damaged, data):
    path = two[1].with_suffix(ending)
    whole = path.read_bytes()
    path.write_bytes(damaged(whole, data.draw))
    try:
        check_that_the_first_is_loaded(tmp_path)
    finally:
        path.write_bytes(whole)


def test_the_files_are_good_until_they_are_damaged(tmp_path, two):
    with logged() as lines:
        assert same(Store(tmp_path).load("g0").tree, tree(2))
    assert lines == []


MANIFESTS = {
    "empty": (lambda whole: b"", "its manifest is not one"),
    "no JSON": (lambda whole: b"{" * 9, "its manifest is not one"),
    "very deep": (lambda whole: b"[" * 100_000, "its manifest is not one"),
    "a list": (lambda whole: b"[]", "its manifest is not one"),
    "no text": (lambda whole: b"\xff\xfe\xfd", "its manifest is not one"),
    "another entry": (lambda whole: resealed(whole, more=1), "has other entries"),
    "a later format": (
        lambda whole: resealed(whole, format="akkordeon_dask snapshot 2"),
        "'akkordeon_dask snapshot 2'",
    ),
    "another series": (lambda whole: resealed(whole, series="g1"), "its manifest says ('g1'"),
    "another number": (lambda whole: resealed(whole, number=3), "its manifest says"),
    "a file elsewhere": (lambda whole: resealed(whole, file="/etc/hostname"), "its manifest says"),
    "longer": (lambda whole: resealed(whole, bytes=10**6), "1000000 were written"),
    "a form with another array": (
        lambda whole: resealed(whole, tree={"array": "v"}),
        "is not what its manifest",
    ),
    "a form of no kind": (lambda whole: resealed(whole, tree={"pickle": "v"}), "is not what its manifest"),
    "a form that is none": (lambda whole: resealed(whole, tree=7), "is not what its manifest"),
    "bytes behind": (lambda whole: whole + b" ", "the sum is wrong"),
}


@pytest.mark.parametrize("case", MANIFESTS.values(), ids=MANIFESTS)
def test_an_invalid_manifest_is_logged_with_its_reason(tmp_path, two, case):
    change, reason = case
    two[1].write_bytes(change(two[1].read_bytes()))
    check_that_the_first_is_loaded(tmp_path, reason)


def test_missing_arrays_are_recognised(tmp_path, two):
    two[1].with_suffix(".safetensors").unlink()
    check_that_the_first_is_loaded(tmp_path, "is missing")


def test_arrays_of_another_snapshot_are_recognised(tmp_path, two):
    shutil.copy(two[0].with_suffix(".safetensors"), two[1].with_suffix(".safetensors"))
    check_that_the_first_is_loaded(tmp_path, "its SHA-256 is another")


def test_tensors_that_are_none_are_recognised_though_their_sum_is_right(tmp_path, two):
    content = b"\x80\x04N."
    two[1].with_suffix(".safetensors").write_bytes(content)
    sums = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    two[1].write_bytes(resealed(two[1].read_bytes(), **sums))
    check_that_the_first_is_loaded(tmp_path, "is not what its manifest")


def test_files_without_a_manifest_are_no_snapshot(tmp_path, two):
    two[1].unlink()
    with logged() as lines:
        assert Store(tmp_path).load("g0").number == 1
    assert lines == []


def test_where_all_are_damaged_there_is_none(tmp_path, two):
    for path in two:
        path.write_bytes(b"")
    store = Store(tmp_path)
    with logged() as lines:
        assert store.load("g0") is None
    assert len(lines) == 2
    assert store.numbers("g0") == [1, 2] and store.series() == ["g0"]


def test_one_that_cannot_be_read_is_not_passed_over(tmp_path, two):
    two[1].with_suffix(".safetensors").unlink()
    two[1].with_suffix(".safetensors").mkdir()
    with pytest.raises(CheckpointError, match="move the named file away") as caught:
        Store(tmp_path).load("g0")
    assert "0000000002" in str(caught.value)


@pytest.mark.parametrize("ending", [".safetensors", ".json"])
def test_a_pipe_in_its_place_is_not_waited_for(tmp_path, two, ending):
    two[1].with_suffix(ending).unlink()
    os.mkfifo(two[1].with_suffix(ending))
    with pytest.raises(CheckpointError, match=r"0000000002-.* is no regular file.*move the named file away"):
        Store(tmp_path).load("g0")
