import gzip
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from akkordeon_dask.data._idx import idx_bytes, read_idx, read_pair
from akkordeon_dask.errors import DataError
from tests.support.for_each import for_each

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
ARRAY = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)

laws = settings(deadline=None, max_examples=80)


@dataclass(frozen=True)
class File:
    content: bytes

    def __str__(self) -> str:
        return "folder/images.gz"

    def read_bytes(self) -> bytes:
        return self.content


def written(array: np.ndarray) -> bytes:
    head = bytes([0, 0, CODES[array.dtype.str[1:]], array.ndim])
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return head + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()


def read(content: bytes) -> np.ndarray:
    return read_idx(File(content), lambda path: f"bake {path} again")


def refused(content: bytes, *words: str) -> None:
    with pytest.raises(DataError) as caught:
        read(content)
    for word in ("folder/images.gz", "bake folder/images.gz again", *words):
        assert word in str(caught.value)


def tried(content: bytes) -> np.ndarray | str:
    """The array, or the text of a DataError that names the file."""
    try:
        return read(content)
    except DataError as error:
        text = str(error)
    assert "folder/images.gz" in text
    return text


arrays = st.sampled_from(list(CODES)).flatmap(
    lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=1, max_dims=4, max_side=6))
)


@laws
@given(arrays, st.booleans())
def test_an_array_is_read_as_it_was_written(array, zipped):
    content = written(array)
    found = read(gzip.compress(content) if zipped else content)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    assert found.dtype.isnative
    assert not found.flags.writeable
    assert idx_bytes(array) == content


@laws
@given(st.data(), st.booleans())
def test_a_file_that_ends_early_is_refused(draw, zipped):
    content = gzip.compress(written(ARRAY)) if zipped else written(ARRAY)
    refused(content[: draw.draw(st.integers(0, len(content) - 1))], "expected", "found")


@laws
@given(st.binary(min_size=1, max_size=100))
def test_bytes_behind_the_data_are_refused(more):
    refused(written(ARRAY) + more, "has more behind its data", "expected 60 bytes", f"found {60 + len(more)}")
    refused(gzip.compress(written(ARRAY) + more), "has more behind its data")


@laws
@given(st.integers(0, 3), st.integers(1, 255))
def test_a_changed_magic_is_refused(offset, change):
    assume((offset, change) != (2, 1))  # int8 instead of uint8 is a good file: `read_pair` refuses it
    content = bytearray(written(ARRAY))
    content[offset] ^= change
    refused(bytes(content), "expected", "found")


@laws
@given(st.integers(4, 15), st.integers(1, 255))
def test_a_changed_size_is_refused_without_asking_for_its_memory(offset, change):
    content = bytearray(written(ARRAY))
    content[offset] ^= change
    refused(bytes(content), "expected", "found")


@laws
@given(st.data())
def test_a_changed_bit_in_a_gzip_file_is_refused_or_changes_nothing(draw):
    content = bytearray(gzip.compress(written(ARRAY), mtime=0))
    offset = draw.draw(st.integers(0, len(content) - 1))
    content[offset] ^= 1 << draw.draw(st.integers(0, 7))
    # The header's time and system, and the bits that fill up the last byte, say nothing.
    found = tried(bytes(content))
    if isinstance(found, np.ndarray):
        np.testing.assert_array_equal(found, ARRAY)
    else:
        assert "expected" in found


@laws
@given(st.binary(max_size=300))
def test_no_bytes_whatever_give_anything_but_an_array_or_a_data_error(content):
    for attempt in (content, b"\0\0" + content, b"\0\0\x08" + content, b"\x1f\x8b" + content):
        tried(attempt)


def test_a_gzip_bomb_is_refused_before_it_is_unpacked():
    content = written(np.zeros((5, 1000, 1000), np.uint8))
    bomb = gzip.compress(content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"expected at most 4,216 bytes in a gzip file, found more; bake it again"):
            read_pair(File(bomb), File(written(np.zeros(5, np.uint8))), 5, (4, 3), lambda path: "bake it again")
        assert tracemalloc.get_traced_memory()[1] < len(content) / 4
    finally:
        tracemalloc.stop()


def test_the_errors_say_what_was_found():
    refused(b"<html>", "beginning with 3c 68 74 6d")
    refused(b"", "0 bytes beginning with nothing")
    refused(b"\0\0\x07\x01\0\0\0\x01a", "found dtype 0x07 and 1 dimensions")
    refused(b"\0\0\x08\x00", "found dtype 0x08 and 0 dimensions")
    refused(b"\0\0\x08\x02\0\0", "expected a header of 12 bytes, found a file of 6")
    refused(written(ARRAY)[:-1], "is cut off: expected 60 bytes for (5, 4, 3) of uint8, found 59")
    refused(gzip.compress(written(ARRAY))[:-9], "expected a whole gzip file")


def test_a_file_that_is_not_there_is_a_data_error_too(tmp_path):
    with pytest.raises(DataError, match=r"none\.gz cannot be read .*; look elsewhere"):
        read_idx(tmp_path / "none.gz", lambda path: "look elsewhere")


def pair(images: np.ndarray, labels: np.ndarray):
    return read_pair(File(written(images)), File(written(labels)), 5, (4, 3), lambda path: "bake it again")


def test_a_pair_is_flat_and_its_labels_index_fast():
    x, y = pair(ARRAY, np.arange(5, dtype=np.uint8))
    np.testing.assert_array_equal(x, ARRAY.reshape(5, 12))
    assert (x.dtype, y.dtype) == (np.uint8, np.int64)
    assert y.tolist() == [0, 1, 2, 3, 4]
    assert not x.flags.writeable
    assert not y.flags.writeable


@for_each(
    "images, labels, words",
    [
        (ARRAY, np.zeros(4, np.uint8), "has 5 images, .* has 4 labels: they do not belong together"),
        (ARRAY[:4], np.zeros(4, np.uint8), r"expected an array \(5, 4, 3\) of uint8, found \(4, 4, 3\) of uint8"),
        (ARRAY[:, :2], np.zeros(5, np.uint8), r"found \(5, 2, 3\)"),
        (ARRAY.astype(np.int8), np.zeros(5, np.uint8), "of int8"),
        (ARRAY.astype(np.int16), np.zeros(5, np.uint8), "of int16"),
        (ARRAY, np.zeros(5, np.float32), r"expected an array \(5,\) of uint8, found \(5,\) of float32"),
        (ARRAY, np.zeros((5, 1), np.uint8), r"found \(5, 1\)"),
    ],
)
def test_files_that_hold_something_else_are_refused(images, labels, words):
    with pytest.raises(DataError, match=rf"folder/images\.gz.*{words}.*; bake it again"):
        pair(images, labels)
