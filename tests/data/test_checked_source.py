"""Batches of the user's making: checked and copied the moment they are drawn."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from akkordeon_dask import data, memory
from akkordeon_dask.errors import DataError
from tests.support.for_each import for_each


def refilling():
    """Three batches in one pair of buffers."""
    x, y = np.empty((2, 3, 3), np.float32), np.empty(2, np.int64)
    for number in range(3):
        x[...], y[...] = number, number
        yield x, y


class Mine(data.Source):
    """A source of the user's own, which promises nothing."""

    samples = shape = dtype = None

    def __init__(self, batches):
        self.made, self.closed = batches, False

    def batches(self, epoch, batch_size):
        return self.made()

    def close(self):
        self.closed = True


@dataclass(frozen=True, repr=False)
class Provider(data.Provider):
    batches_of: object = refilling
    kind: type = Mine

    def open(self):
        return self.kind(self.batches_of)

    def __repr__(self):
        return "mine"


PROVIDERS = {
    "stream": data.stream(refilling),
    "own": Provider(),
    "augmented stream": data.augment(refilling),
    "augmented own": data.augment(Provider()),
    "twice augmented": data.augment(data.augment(Provider()), seed=1),
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_buffer_that_is_filled_again_changes_no_batch_that_was_drawn(name):
    for epoch in (1, 2):
        drawn = list(data.open_source(PROVIDERS[name]).batches(epoch, 1))
        assert [x.ravel().tolist() for x, _ in drawn] == [[0] * 18, [1] * 18, [2] * 18]
        assert [y.tolist() for _, y in drawn] == [[0, 0], [1, 1], [2, 2]]


def test_without_the_copy_the_arrays_are_those_that_were_given():
    x, y = np.zeros((640, 1024), np.float32), np.arange(640)
    provider = data.stream([(x, y), (x.astype(">f4"), y.tolist())], copy=False)
    (same, labels), (turned, listed) = provider.open().batches(1, 1)
    assert np.shares_memory(same, x) and np.shares_memory(labels, y)
    assert turned.dtype.isnative and listed.tolist() == y.tolist()
    with pytest.raises(DataError, match="values are masked"):
        list(data.stream([(np.ma.masked_all((2, 2)), None)], copy=False).open().batches(1, 1))


def test_a_stream_without_the_copy_is_another_value_and_prints_so():
    provider = data.stream(refilling, copy=False)
    assert repr(provider) == "data.stream(<function refilling>, copy=False)"
    assert provider == pickle.loads(pickle.dumps(provider)) != data.stream(refilling)
    assert hash(provider) != hash(data.stream(refilling))


def test_a_source_may_write_its_dtype_and_shape_in_any_way():
    class Loose(Mine):
        shape, dtype = [2], np.float32

    source = data.open_source(Provider(kind=Loose))
    assert (source.shape, source.dtype) == ((2,), np.dtype("f4"))


def off_the_grid(array):
    """The same numbers where a pickle or a comm may put them: not where the processor likes them."""
    shifted = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    shifted[...] = array
    assert not shifted.flags.aligned
    return shifted


CROOKED = {
    "off the grid": off_the_grid,
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "fortran": np.asfortranarray,
    "strided": lambda array: np.repeat(array, 2, axis=0)[::2],
    "backwards": lambda array: array[::-1].copy()[::-1],
    "repeated": lambda array: np.broadcast_to(array[:1], array.shape),
}


@for_each("how", CROOKED)
@for_each("dtype", ["f4", "f8", "i8", "u2"])
def test_hot_loops_read_aligned_arrays_in_the_machines_byte_order_whatever_was_given(how, dtype):
    x = np.arange(40_000).reshape(8, 25, 200).astype(dtype)
    x, y = CROOKED[how](x), CROOKED[how](np.arange(8, dtype="i8"))
    plain = data.arrays(x, y, shuffle=False)
    for provider in (
        plain,
        data.arrays(x, y, shuffle=False, shard=(0, 1)),
        data.stream([(x, y)]),
        data.stream([(x, y)], copy=False),
        Provider(lambda: iter([(x, y)])),
        data.augment(plain),
        data.augment([(x, y)]),
    ):
        [(got, labels)] = data.open_source(provider).batches(1, 8)
        assert_array_equal(got, x)
        assert_array_equal(labels, y)
        for array in (got, labels):
            assert array.flags.c_contiguous and array.dtype.isnative
            assert array is memory.aligned(array)


def test_arrays_are_gathered_from_aligned_memory():
    provider = data.arrays(off_the_grid(np.arange(60_000, dtype="f4").reshape(60, 1000)), off_the_grid(np.arange(60)))
    source = provider.open()
    assert source._x is memory.aligned(source._x) and source._y is memory.aligned(source._y)


def test_a_source_that_promises_is_taken_at_its_word():
    class Promising(Mine):
        stable = True

    source = data.open_source(Provider(kind=Promising))
    assert type(source) is Promising


@pytest.mark.parametrize("provider", [data.mnist_sample("test"), data.stream(refilling), data.augment(refilling)])
def test_built_in_sources_promise_and_are_not_copied_again(provider):
    assert type(data.open_source(provider)) is type(provider.open())


def test_a_checked_source_passes_facts_through_and_closes_the_users_source():
    class Knowing(Mine):
        samples, shape, dtype, labelled, blocking = 6, (3, 3), np.dtype("f4"), True, True

    source = data.open_source(Provider(kind=Knowing))
    known = (source.samples, source.shape, source.dtype, source.labelled, source.blocking)
    assert known == (6, (3, 3), np.float32, True, True)
    source.close()
    assert source._source.closed


def test_a_provider_that_opens_no_source_is_an_error():
    with pytest.raises(DataError, match=r"^mine: open\(\) returned a list: it has to return a data\.Source"):
        data.open_source(Provider([], list))


@for_each(
    "said, known",
    [
        (data.ColumnNames(("a", "b")), ("a", "b")),
        (data.ColumnNames(["a", "b"]), ("a", "b")),
        (data.ColumnNames([0, 1]), None),
        (["a", "b"], None),
        (2, None),
        (None, None),
    ],
)
def test_a_source_says_its_columns_and_may_mean_something_else(said, known):
    source = data.open_source(Provider(kind=type("Named", (Mine,), {"columns": said})))
    next(source.batches(1, 2))
    assert source.columns.x == known
