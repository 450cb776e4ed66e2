import pickle
from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask import data, memory
from akkordeon_dask.errors import DataError
from tests.support.for_each import for_each

X = np.arange(24, dtype=np.float32).reshape(12, 2)
Y = np.arange(12)


@dataclass(frozen=True)
class Case:
    total: int
    take: int | None
    shard: tuple[int, int] | None
    shuffle: bool
    seed: int
    epoch: int
    batch_size: int

    @property
    def rows(self) -> list[int]:
        i, n = self.shard or (0, 1)
        return list(range(self.total))[: self.take][i::n]

    def open(self, **changes):
        y = np.arange(self.total)
        given = {"take": self.take, "shard": self.shard, "shuffle": self.shuffle, "seed": self.seed, **changes}
        return data.arrays(np.stack([y, -y, y * y], axis=1), y, **given).open()

    def labels(self, source) -> list[int]:
        return np.concatenate([y for _, y in source.batches(self.epoch, self.batch_size)]).tolist()


@st.composite
def cases(draw, least=1, shuffle=None):
    total = draw(st.integers(least, 120))
    take = draw(st.none() | st.integers(least, total))
    n = draw(st.integers(1, max(1, (take or total) // least)))
    shard = draw(st.none() | st.tuples(st.integers(0, n - 1), st.just(n)))
    samples = len(range(*(shard or (0, 1))[:1], take or total, n if shard else 1))
    return Case(
        total,
        take,
        shard,
        draw(st.booleans()) if shuffle is None else shuffle,
        draw(st.integers(0, 2**70)),
        draw(st.integers(1, 1000)),
        draw(st.integers(1, samples)),
    )


laws = settings(deadline=None, max_examples=60)


@laws
@given(cases())
def test_an_epoch_has_each_sample_once_and_only_its_last_batch_is_smaller(case):
    source = case.open()
    assert source.samples == len(case.rows)
    batches = list(source.batches(case.epoch, case.batch_size))
    sizes = [len(x) for x, _ in batches]
    assert set(sizes[:-1]) <= {case.batch_size}
    assert 1 <= sizes[-1] <= case.batch_size
    labels = np.concatenate([y for _, y in batches])
    assert sorted(labels.tolist()) == case.rows
    np.testing.assert_array_equal(np.concatenate([x for x, _ in batches]).T, [labels, -labels, labels**2])


@laws
@given(cases(shuffle=False))
def test_without_shuffle_the_order_is_that_of_the_arrays(case):
    assert case.labels(case.open()) == case.rows


@laws
@given(cases(shuffle=True), st.integers(1, 1000))
def test_the_order_is_a_function_of_seed_and_epoch_alone(case, earlier):
    expected = case.labels(case.open())
    used = case.open()
    next(used.batches(earlier, 1))
    assert case.labels(used) == expected
    assert [y[0] for _, y in used.batches(case.epoch, 1)] == expected


@laws
@given(cases(least=25, shuffle=True))
def test_another_epoch_or_another_seed_is_another_order(case):
    first = case.labels(case.open())
    later = [y[0] for _, y in case.open().batches(case.epoch + 1, 1)]
    assert later != first
    assert case.labels(case.open(seed=case.seed + 1)) != first
    assert first != sorted(first)


@laws
@given(st.integers(1, 100), st.integers(1, 8), st.booleans())
def test_shards_are_disjoint_together_everything_and_of_like_size(take, n, shuffle):
    n = min(n, take)
    x = np.arange(100)
    shards = [
        np.concatenate([y for _, y in data.arrays(x, x, take=take, shard=(i, n), shuffle=shuffle).open().batches(1, 1)])
        for i in range(n)
    ]
    assert sorted(np.concatenate(shards).tolist()) == list(range(take))
    sizes = [len(shard) for shard in shards]
    assert max(sizes) - min(sizes) <= 1


def test_without_labels_a_batch_has_none():
    source = data.arrays(X, None).open()
    assert source.labelled is False
    assert [(len(x), y) for x, y in source.batches(1, 5)] == [(5, None), (5, None), (2, None)]


def test_a_source_says_what_it_has():
    source = data.arrays(np.zeros((7, 3, 2), np.uint8), np.zeros((7, 2))).open()
    assert (source.samples, source.shape, source.dtype) == (7, (3, 2), np.dtype(np.uint8))
    assert source.labelled is True
    assert source.blocking is False


def test_shuffled_batches_belong_to_the_caller_and_their_memory_is_recycled():
    x = np.ones((640, 1024), np.float32)
    addresses = set()
    source = data.arrays(x, None).open()
    lent = memory.pool.lent
    for epoch in (1, 2):
        for batch, _ in source.batches(epoch, 64):
            assert not np.shares_memory(batch, x)
            assert memory.pool.lent == lent + 1
            batch[...] = 0
            addresses.add(batch.ctypes.data)
            assert batch.ctypes.data % memory.ALIGNMENT == 0
            del batch
    assert len(addresses) <= 2
    assert x.all()


def test_batches_in_order_are_read_only_views():
    for batch, _ in data.arrays(X, Y, shuffle=False).open().batches(1, 5):
        assert np.shares_memory(batch, X)
        assert not batch.flags.writeable


@for_each(
    "x",
    [X[::2], np.asfortranarray(X), X.astype(">f4"), X.T.copy().T, X.tolist()],
)
@for_each("shuffle", [True, False])
def test_any_layout_and_byte_order_yields_the_same_numbers_in_the_machines_own(x, shuffle):
    source = data.arrays(x, np.arange(len(x)), shuffle=shuffle).open()
    for batch, y in source.batches(1, 5):
        np.testing.assert_array_equal(batch, np.asarray(x)[y])
        assert batch.flags.c_contiguous
        assert batch.dtype.isnative
        assert source.dtype == batch.dtype


def test_arrays_is_a_frozen_value_and_leaves_the_users_arrays_alone():
    x = X.copy()
    provider = data.arrays(x, Y)
    x[0] = 1
    with pytest.raises(FrozenInstanceError):
        provider.take = 3
    with pytest.raises(ValueError, match="read-only"):
        provider.x[0] = 2


VALUES = {
    "plain": lambda: data.arrays(X, Y),
    "no labels": lambda: data.arrays(X, None),
    "ordered": lambda: data.arrays(X, Y, shuffle=False),
    "seed": lambda: data.arrays(X, Y, seed=1),
    "take": lambda: data.arrays(X, Y, take=3),
    "shard": lambda: data.arrays(X, Y, shard=(1, 3)),
    "numpy numbers": lambda: data.arrays(X, Y, take=np.int64(4), shard=[np.int32(0), 2]),
    "nan": lambda: data.arrays(np.where(X == 3, np.nan, X), Y),
    "other dtype": lambda: data.arrays(X.astype(np.float64), Y),
    "other numbers": lambda: data.arrays(X + 1, Y),
    "stream": lambda: data.stream(((X, Y),)),
}


@for_each("name", VALUES)
def test_providers_are_equal_by_content_and_survive_pickle(name):
    provider, again = VALUES[name](), VALUES[name]()
    for same in (again, pickle.loads(pickle.dumps(provider))):
        assert same == provider
        assert hash(same) == hash(provider)
        assert repr(same) == repr(provider)
        first, second = (list(p.open().batches(2, 2)) for p in (same, provider))
        for (x, y), (x2, y2) in zip(first, second, strict=True):
            np.testing.assert_array_equal(x, x2)
            np.testing.assert_array_equal(y, y2)
    assert [other for other in VALUES if VALUES[other]() == provider] == [name]


def test_arrays_prints_as_it_was_written_with_short_arrays():
    x, y = np.zeros((60_000, 784), np.uint8), np.zeros(60_000, np.int64)
    assert repr(data.arrays(x, y, take=100)) == "data.arrays(<(60000, 784) uint8>, <(60000,) int64>, take=100)"
    assert repr(data.arrays(x, None, shuffle=False, seed=3, shard=(0, 2))) == (
        "data.arrays(<(60000, 784) uint8>, None, shuffle=False, seed=3, shard=(0, 2))"
    )


@for_each(
    "make, words",
    [
        (lambda: data.arrays(X, Y[:5]), "x has 12 samples, y has 5"),
        (lambda: data.arrays(X[:0], Y[:0]), "has no samples"),
        (lambda: data.arrays(X, Y, take=13), "takes 13 samples of 12"),
        (lambda: data.arrays(X, Y, take=0), "take is a whole number of at least 1, not 0"),
        (lambda: data.arrays(X, Y, take=2.5), r"take is .*, not 2\.5"),
        (lambda: data.arrays(X, Y, take=True), "take is .*, not True"),
        (lambda: data.arrays(X, Y, seed=-1), "seed is a whole number of at least 0, not -1"),
        (lambda: data.arrays(X, Y, shard=(2, 2)), r"shard=\(2, 2\): .* there is no shard 2"),
        (lambda: data.arrays(X, Y, shard=(-1, 2)), r"shard=\(-1, 2\)"),
        (lambda: data.arrays(X, Y, shard=(0, 0)), r"shard=\(0, 0\)"),
        (lambda: data.arrays(X, Y, shard=3), r"shard=3: give a pair \(i, n\)"),
        (lambda: data.arrays(X, Y, take=2, shard=(2, 3)), "has no samples: 2 samples do not fill 3 shards"),
        (lambda: data.arrays(np.array(["a", "b"]), None), "x holds <U1"),
        (lambda: data.arrays(X, np.array([None] * 12)), "y holds object"),
        (lambda: data.arrays([[1, 2], [3]], None), "x, of type list, does not become an array"),
        (lambda: data.arrays(3.0, None), r"x is the single number 3\.0"),
    ],
)
def test_an_argument_out_of_range_is_refused_when_it_is_written(make, words):
    with pytest.raises(DataError, match=words):
        make()


@pytest.mark.parametrize(
    ("batch_size", "words"),
    [
        (5, r"batch_size=5 is larger than the 4 samples of data\.arrays\(.*shard=\(2, 3\)\): .* at most 4"),
        (0, r"data\.arrays\(.*: batch_size is a whole number of at least 1, not 0"),
        (1.5, r"batch_size is .*, not 1\.5"),
    ],
)
def test_a_batch_size_that_does_not_fit_is_refused_before_the_first_batch(batch_size, words):
    source = data.arrays(X, Y, shard=(2, 3)).open()
    with pytest.raises(DataError, match=words):
        source.batches(1, batch_size)
