"""Orders that follow labels and probabilities, and batches that are all of one size."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from akkordeon_dask import data
from akkordeon_dask.errors import DataError
from tests.support.for_each import for_each

laws = settings(deadline=None, max_examples=60, derandomize=True)
COUNTS = st.lists(st.integers(1, 60), min_size=1, max_size=5)


def served(provider, epoch, batch_size):
    """The rows of each batch; x counts them."""
    return [batch[0][:, 0].tolist() for batch in provider.open().batches(epoch, batch_size)]


def counted(labels, **options):
    return data.arrays(np.arange(len(labels))[:, None], labels, **options)


@laws
@given(COUNTS, st.integers(1, 40), st.integers(0, 99), st.integers(1, 9))
def test_a_stratified_batch_has_its_share_of_each_label_and_an_epoch_each_sample_once(counts, size, seed, epoch):
    labels = np.repeat(np.arange(len(counts)), counts)
    provider = counted(labels, stratify=True, seed=seed)
    batches = served(provider, epoch, min(size, len(labels)))
    assert sorted(itertools.chain(*batches)) == list(range(len(labels)))
    for rows in batches:
        share = np.array(counts) * len(rows) / len(labels)
        apart = np.abs(np.bincount(labels[rows], minlength=len(counts)) - share)
        assert np.all(apart < 1 + len(counts) * np.array(counts) / len(labels))


def test_a_stratified_order_is_a_function_of_seed_and_epoch_and_differs_between_them():
    labels = np.arange(60) % 3
    its = (1, 1), (1, 1), (1, 2), (2, 1)
    one, same, later, other = (served(counted(labels, stratify=True, seed=seed), epoch, 60)[0] for seed, epoch in its)
    assert one == same
    assert len({tuple(order) for order in (one, later, other)}) == 3


def test_of_a_shard_the_shares_are_its_own():
    labels = np.r_[np.zeros(40, int), np.ones(20, int)]
    rows = served(counted(labels, stratify=True, shard=(1, 2)), 1, 15)
    assert sorted(itertools.chain(*rows)) == list(range(1, 60, 2))
    assert [sum(labels[batch]) for batch in rows] == [5, 5]


def test_samples_are_drawn_as_often_as_their_probabilities_say():
    probabilities = np.repeat([0.0, 1.0, 3.0], 400)
    provider = counted(np.zeros(1200, int), probabilities=probabilities, seed=3)
    drawn = np.concatenate([served(provider, epoch, 1200)[0] for epoch in range(1, 21)])
    found = np.bincount(drawn, minlength=1200).reshape(3, 400).sum(axis=1)
    assert len(drawn) == 20 * 1200
    assert found[0] == 0
    # Of a binomial distribution: within six standard deviations.
    assert abs(found[1] - 6000) < 6 * np.sqrt(24_000 * 0.25 * 0.75)
    assert len(set(drawn)) == 800
    assert_array_equal(served(provider, 4, 1200), served(provider, 4, 1200))


def test_only_the_ratios_of_probabilities_count():
    small, great = (counted(np.zeros(9, int), probabilities=np.arange(9) * scale) for scale in (1.0, 2.0**1020))
    assert_array_equal(served(small, 1, 9), served(great, 1, 9))


@laws
@given(st.integers(1, 50), st.integers(1, 50), st.booleans())
def test_with_drop_last_all_batches_are_of_one_size(samples, size, shuffle):
    size = min(size, samples)
    batches = served(counted(np.zeros(samples, int), shuffle=shuffle, drop_last=True), 1, size)
    whole = served(counted(np.zeros(samples, int), shuffle=shuffle), 1, size)
    assert batches == [rows for rows in whole if len(rows) == size]
    assert len(batches) == samples // size


@for_each(
    "options, words",
    [
        ({"stratify": True, "shuffle": False}, "samples in their order are not drawn: leave shuffle=False out"),
        ({"stratify": True, "probabilities": np.ones(4)}, "give stratify or probabilities, not both"),
        ({"stratify": True, "y": None}, "stratify takes one whole number a sample as label"),
        ({"stratify": True, "y": np.zeros((4, 1))}, "stratify takes one whole number a sample as label"),
        ({"stratify": "yes"}, "stratify is True or False, not 'yes'"),
        ({"drop_last": 3}, "drop_last is True or False, not 3"),
        ({"probabilities": np.ones(3)}, r"probabilities have shape \(3,\), and there are 4 samples"),
        ({"probabilities": [1, 1, 1, -1]}, r"probabilities: -1\.0 of sample 3"),
        ({"probabilities": [0, 0, 1, 1], "take": 2}, "probabilities are all 0"),
        ({"weights": [0, 0, 1, 1], "take": 2}, "weights are all 0"),
    ],
)
def test_sampling_that_cannot_be_is_refused(options, words):
    with pytest.raises(DataError, match=words):
        data.arrays(np.zeros((4, 2)), **{"y": np.zeros(4, int), **options})


def test_a_provider_says_how_it_samples():
    provider = data.arrays(np.zeros((4, 2)), np.zeros(4, int), stratify=True, drop_last=True)
    assert repr(provider) == "data.arrays(<(4, 2) float64>, <(4,) int64>, stratify=True, drop_last=True)"
    assert provider != data.arrays(np.zeros((4, 2)), np.zeros(4, int), drop_last=True)
