"""Means and deviations of a provider's samples are scikit-learn's, whatever its batches."""

import dask.array
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.preprocessing import StandardScaler

from akkordeon_dask import data, nn
from akkordeon_dask.data import _standardise
from akkordeon_dask.errors import DataError
from tests.support.for_each import for_each

bounded = settings(max_examples=40, deadline=None, derandomize=True)


def table(samples, seed=0):
    """Features far from 0, tiny, constant, and whole numbers."""
    rng = np.random.default_rng(seed)
    columns = (
        rng.normal(1e6, 1, samples),
        rng.normal(0, 1e-9, samples),
        np.full(samples, 0.1),
        rng.integers(0, 9, samples),
    )
    return np.stack(columns, axis=1)


@bounded
@given(samples=st.integers(2, 300), rows=st.integers(1, 300), weighted=st.booleans(), seed=st.integers(0, 99))
def test_they_are_those_of_the_standard_scaler(samples, rows, weighted, seed):
    # With weights scikit-learn takes the root of a rounding error below 0 where a feature is constant.
    x = table(samples, seed)[:, [0, 1, 3] if weighted else [0, 1, 2, 3]]
    weights = np.random.default_rng(seed).random(samples) + 0.1 if weighted else None
    scaler = StandardScaler().fit(x, sample_weight=weights)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_standardise, "_ROWS", rows)
        found = data.standardise(data.arrays(x, None, weights))
    assert_allclose(found.mean, scaler.mean_, rtol=1e-12, atol=1e-20)
    assert_allclose(found.std, scaler.scale_, rtol=1e-7)
    y, _ = nn.Scale(*found).forward({}, x)
    assert_allclose(y, scaler.transform(x), rtol=1e-6, atol=1e-6)


def test_well_conditioned_features_agree_to_the_last_digits():
    x = np.random.default_rng(0).normal(3, 2, (1000, 5))
    found, scaler = data.standardise(data.arrays(x, None)), StandardScaler().fit(x)
    assert_allclose(found.mean, scaler.mean_, rtol=1e-12)
    assert_allclose(found.std, scaler.scale_, rtol=1e-12)


@bounded
@given(value=st.floats(-1e9, 1e9), samples=st.integers(1, 50), weighted=st.booleans())
def test_a_constant_feature_comes_out_as_zeros(value, samples, weighted):
    x = np.full((samples, 1), value)
    found = data.standardise(data.arrays(x, None, np.linspace(0.1, 3, samples) if weighted else None))
    assert found.std == (1.0,)
    assert_allclose(nn.Scale(*found).forward({}, x)[0], 0, atol=1e-14 * abs(value))


def test_images_have_numbers_for_each_channel_or_one_for_all():
    x = np.random.default_rng(0).integers(0, 256, (20, 3, 4, 5), dtype=np.uint8)
    found = data.standardise([(x[:8], None), (x[8:], None)])
    assert_allclose(found.mean, x.mean(axis=(0, 2, 3)), rtol=1e-12)
    assert_allclose(found.std, x.std(axis=(0, 2, 3)), rtol=1e-12)
    assert_allclose(data.standardise(data.arrays(x, None), each=False), (x.mean(), x.std()), rtol=1e-12)


def test_a_weight_of_two_is_a_sample_twice_and_one_of_0_none():
    x = np.arange(6.0).reshape(3, 2)
    weighted = data.standardise([(x[2:], None, [0.0]), (x, None, [1, 2, 0])])
    assert_allclose(weighted, data.standardise(data.arrays(x[[0, 1, 1]], None)), rtol=1e-12)


def endless():
    while True:
        yield np.ones((4, 2)), None


def test_an_endless_stream_is_read_as_far_as_it_is_told():
    assert data.standardise(endless, batches=3) == ((1.0, 1.0), (1.0, 1.0))
    with pytest.raises(DataError, match="may never end: say how many batches"):
        data.standardise(endless)


@for_each("bad", [np.nan, np.inf, -np.inf])
def test_bad_numbers_are_refused_by_their_place(bad):
    x = np.ones((4, 3))
    x[2, 1] = bad
    with pytest.raises(DataError, match=f"batch 1: feature 1 of sample 2 is {bad}: fill it"):
        data.standardise([(x, None)])


def test_samples_of_changing_size_and_none_at_all_are_refused():
    with pytest.raises(DataError, match="batch 2 has 3 features, those before 2"):
        data.standardise([(np.ones((4, 2)), None), (np.ones((4, 3)), None)])
    with pytest.raises(DataError, match="no samples whose weight"):
        data.standardise([(np.ones((1, 2)), None, [0.0])])


def test_collections_of_dask_are_sent_to_their_own_mean():
    with pytest.raises(DataError, match=r"write nn\.Scale\(x\.mean\(axis=0\)\.compute\(\)"):
        data.standardise(data.from_dask(dask.array.ones((4, 2)), dask.array.ones(4)))
    x = dask.array.from_array(np.arange(8.0).reshape(4, 2), chunks=2)
    ours = data.standardise(data.arrays(x.compute(), None))
    assert nn.Scale(*ours) == nn.Scale(x.mean(axis=0).compute(), x.std(axis=0).compute())


def test_no_sample_is_left_out_where_a_provider_drops_its_last_batch(monkeypatch):
    x = np.arange(40, dtype=np.float32).reshape(10, 1, 2, 2)
    whole = data.standardise(data.arrays(x, None))
    monkeypatch.setattr(_standardise, "_ROWS", 4)
    dropping = data.arrays(x, None, drop_last=True)
    for provider in (dropping, data.augment(dropping), data.augment(data.augment(dropping))):
        assert_allclose(data.standardise(provider), whole, rtol=1e-12)
