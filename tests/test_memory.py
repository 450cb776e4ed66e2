"""The pool's laws: a block is lent to one array at a time, and comes back when nobody can read it any more."""

import gc
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask import memory, nn
from akkordeon_dask.memory import ALIGNMENT, Pool, aligned, copied, empty, empty_like, scratch
from tests.support.for_each import for_each
from tests.support.patience import PATIENCE

LARGE = (1000, 100)
BLOCK = 7 * 64 * 1024
"""Bytes of the block for a float32 array of shape `LARGE`: 400 000, rounded up."""


def address(array):
    return array.ctypes.data


VIEWS = {
    "slice": lambda x: x[3:5, 1],
    "slice of a slice": lambda x: x[10:][:10][2:],
    "transpose": lambda x: x.T,
    "reshape": lambda x: x.reshape(-1),
    "dtype": lambda x: x.view(np.uint8),
    "subclass": lambda x: x.view(np.recarray),
    "memoryview": memoryview,
    "frame on its way to a socket": lambda x: memoryview(x).cast("B")[100:],
    "array on a memoryview": lambda x: np.frombuffer(memoryview(x).cast("B"), np.float32)[1:],
    "iterator": lambda x: x.flat,
}


@for_each("view", VIEWS.values())
def test_a_block_comes_back_when_its_last_view_dies(view):
    pool = Pool()
    array = pool.empty(LARGE)
    seen = view(array)
    assert (pool.lent, pool.free_bytes) == (1, 0)
    del array
    assert (pool.lent, pool.free_bytes) == (1, 0)
    del seen
    assert (pool.lent, pool.free_bytes) == (0, BLOCK)


def test_a_block_comes_back_from_another_thread():
    pool = Pool()
    held = [pool.empty(LARGE)[5:]]
    thread = threading.Thread(target=held.clear)
    assert pool.lent == 1
    thread.start()
    thread.join(PATIENCE)
    assert (pool.lent, pool.free_bytes) == (0, BLOCK)


def test_a_recycled_array_is_the_same_memory():
    pool = Pool()
    array = pool.empty(LARGE)
    place = address(array)
    del array
    assert address(pool.empty((LARGE[0] * LARGE[1],), np.int32)) == place


def test_a_block_fits_its_size_alone():
    pool = Pool()
    smaller = pool.empty(LARGE)
    del smaller
    larger = pool.empty((2 * LARGE[0], LARGE[1]))
    larger.fill(1)
    assert pool.free_bytes == BLOCK and pool.lent == 1


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([100, 9_000, 16_384, 20_000, 40_000])), max_size=30))
def test_living_arrays_never_share_memory(steps):
    pool = Pool(capacity=3 * 64 * 1024)
    living = {}
    for number, (slot, size) in enumerate(steps):
        living.pop(slot, None)
        living[slot] = number, pool.empty((size,), np.int64)
        living[slot][1].fill(number)
        assert pool.free_bytes <= pool.capacity
    for number, array in living.values():
        assert (array == number).all()
    assert pool.lent == sum(array.nbytes >= 32 * 1024 for _, array in living.values())


def test_threads_never_get_the_same_block():
    pool = Pool()
    begin = threading.Barrier(4, timeout=PATIENCE)
    wrong = []

    def work(number):
        begin.wait()
        for turn in range(200):
            array = pool.empty((10_000,), np.int64)
            array.fill(1000 * number + turn)
            view = array[::7]
            del array
            if (view != 1000 * number + turn).any():
                wrong.append((number, turn))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    # A thread holds two at most: the view of its last turn, and the next array. Each takes two grains.
    assert not wrong and pool.lent == 0 and 0 < pool.free_bytes <= 4 * 2 * 128 * 1024


def test_scratch_memory_is_the_threads_own_and_the_same_at_each_call():
    own = [address(scratch(shape, dtype)) for shape, dtype in [((500,), np.int8), (LARGE, np.float32), (LARGE, "f4")]]
    assert own[1] == own[2] and address(scratch((3,))) == own[1]
    others = []
    threads = [threading.Thread(target=lambda: others.append(scratch(LARGE))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len({own[1], *map(address, others)}) == 3  # those of the others live as long as their arrays


@pytest.mark.parametrize("shape", [(), (0,), (3, 5), (1024, 1024), (1024, 1025)])
def test_scratch_arrays_are_contiguous_and_on_the_grid(shape):
    array = scratch(shape)
    assert array.shape == shape and array.dtype == np.float32 and array.flags.c_contiguous and array.flags.writeable
    assert address(array) % ALIGNMENT == 0


WIDE = {
    "columns of a sample": (nn.Conv2d(16, 1, 5), np.ones((3, 16, 96, 96), np.float32), 16 * 25 * 92 * 92 * 4),
    "rows as bytes of weights": (
        nn.Scale(0, 1) >> nn.Linear(4000, 300),
        np.ones((600, 4000), np.uint8),
        4000 * 300 * 4,
    ),
}


@pytest.mark.parametrize(("layer", "x", "nbytes"), WIDE.values(), ids=WIDE)
def test_blocks_too_large_for_scratch_memory_share_one_buffer(layer, x, nbytes):
    params = layer.init(np.random.default_rng(0))
    gc.collect()
    memory.pool.clear()
    layer.forward(params, x)
    assert nbytes < memory.pool.free_bytes < 2 * nbytes


def test_no_more_than_the_capacity_is_kept():
    pool = Pool(capacity=2 * BLOCK + 1)
    arrays = [pool.empty(LARGE) for _ in range(5)]
    places = {address(array) for array in arrays}
    del arrays[:]
    assert (pool.lent, pool.free_bytes) == (0, 2 * BLOCK)
    again = [pool.empty(LARGE) for _ in range(2)]
    assert {address(array) for array in again} <= places and pool.free_bytes == 0


def test_clearing_gives_back_what_is_free_and_leaves_what_is_lent():
    pool = Pool()
    kept, gone = pool.empty(LARGE), pool.empty(LARGE)
    kept.fill(7)
    del gone
    pool.clear()
    assert (pool.lent, pool.free_bytes) == (1, 0)
    assert (kept == 7).all()
    del kept
    assert (pool.lent, pool.free_bytes) == (0, BLOCK)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_poison_is_nan_to_a_late_reader(dtype):
    pool = Pool(poison=True)
    array = pool.empty(LARGE, dtype)
    array.fill(1)
    place = address(array)
    del array
    again = pool.empty(LARGE, dtype)
    assert address(again) == place and np.isnan(again).all()


def test_without_poison_nothing_is_written():
    pool = Pool()
    array = pool.empty(LARGE)
    array.fill(3)
    del array
    assert (pool.empty(LARGE) == 3).all()


@for_each("shape", [LARGE, (8192,), (3, 5, 7000), (1, 100_001)])
@for_each("dtype", [np.uint8, np.float32, np.float64, np.dtype(">i2")])
def test_large_arrays_are_contiguous_and_on_the_grid(shape, dtype):
    array = Pool().empty(shape, dtype)
    assert array.shape == shape and array.dtype == dtype and array.flags.c_contiguous and array.flags.writeable
    assert array.nbytes < 32 * 1024 or address(array) % ALIGNMENT == 0


@pytest.mark.parametrize("shape", [(), (0,), (5, 0), (8191,), (10, 10)])
def test_small_arrays_are_none_of_the_pools_business(shape):
    pool = Pool()
    assert pool.empty(shape).shape == shape and pool.empty(shape).dtype == np.float32
    assert pool.lent == 0 and pool.free_bytes == 0


def test_the_limit_between_small_and_large():
    pool = Pool()
    small, large = pool.empty((8191,)), pool.empty((8192,))
    assert small.nbytes < 32 * 1024 <= large.nbytes and pool.lent == 1


def test_like_another_array():
    x = np.ones((300, 400), np.float64)[:, ::2]
    like = empty_like(x)
    assert like.shape == x.shape and like.dtype == x.dtype and like.flags.c_contiguous
    assert not np.shares_memory(like, x)


def test_an_array_on_the_grid_is_not_copied():
    x, small = empty(LARGE), np.ones(101, np.uint8)[1:]
    assert aligned(x) is x and aligned(small) is small


@pytest.mark.parametrize("crooked", [lambda x: x[1:-3], lambda x: x.reshape(-1, 2)[:, 0], lambda x: x[::-1]])
def test_a_large_array_off_the_grid_is_copied(crooked):
    x = crooked(empty((200_000,)))
    x[...] = np.arange(len(x))
    straight = aligned(x)
    assert np.array_equal(straight, x) and not np.shares_memory(straight, x)
    assert straight.flags.c_contiguous and address(straight) % ALIGNMENT == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_small_array_off_its_dtypes_grid_is_copied(dtype):
    width = np.dtype(dtype).itemsize
    received = np.empty(101 * width, np.uint8)
    for offset in range(width):
        x = received[offset : offset + 100 * width].view(dtype)
        x[...] = np.arange(100)
        straight = aligned(x)
        assert (straight is x) == x.flags.aligned
        assert straight.flags.aligned and np.array_equal(straight, x)


@pytest.mark.parametrize("size", [100, 200_000])
def test_numbers_in_another_byte_order_are_copied_into_the_machines_own(size):
    x = empty((size,)).astype(np.dtype(np.float32).newbyteorder("S"))
    x[...] = np.arange(size)
    straight = aligned(x)
    assert straight.dtype == np.float32 and straight.dtype.isnative
    assert np.array_equal(straight, x)


def test_a_copy_is_a_new_array_even_of_what_lies_as_it_should():
    x = empty((200_000,))
    x[...] = 1
    other = copied(x)
    x[...] = 2
    assert (other == 1).all() and aligned(other) is other


def test_arrays_are_lent_from_the_process_pool():
    gc.collect()  # what other tests left in cycles comes back now
    before = memory.pool.lent
    x = empty(LARGE)
    assert memory.pool.lent == before + 1
    del x
    assert memory.pool.lent == before


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs Linux")
def test_a_forked_child_cannot_write_into_its_parents_arrays():
    array = Pool().empty(LARGE)
    place = address(array)
    with open("/proc/self/maps") as maps:
        ranges = [line.split() for line in maps]
    [rights] = [rights for span, rights, *_ in ranges if place in range(*(int(end, 16) for end in span.split("-")))]
    assert rights == "rw-p"


def test_the_environment_turns_poison_on():
    program = "from akkordeon_dask.memory import pool; assert pool.poison is True"
    subprocess.run([sys.executable, "-c", program], env={**os.environ, "AKKORDEON_DEBUG": "1"}, check=True)
