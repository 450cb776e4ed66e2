import gzip
from importlib import resources

import numpy as np
import pytest

from akkordeon_dask import data
from akkordeon_dask.data._make_sample import choose, make

SHARES = {
    "train": ([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949], 10_000),
    "test": ([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009], 2_000),
}


def whole(provider):
    source = provider.open()
    return next(source.batches(1, source.samples))


@pytest.mark.parametrize("split", SHARES)
def test_the_sample_has_each_class_in_its_share_of_the_whole(split, cache):
    x, y = whole(data.mnist_sample(split))
    counts, samples = SHARES[split]
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((samples, 784), np.uint8, (samples,), np.int64)
    assert np.abs(np.bincount(y) - np.array(counts) * samples / sum(counts)).max() < 1
    assert not cache.exists()


@pytest.mark.parametrize("split", SHARES)
def test_each_digit_of_the_sample_is_one_of_mnist_with_its_label(split, full_data):
    x, y = whole(data.mnist(split, shuffle=False))
    known = {image.tobytes() + bytes([label]) for image, label in zip(x, y, strict=True)}
    x, y = whole(data.mnist_sample(split))
    sampled = [image.tobytes() + bytes([label]) for image, label in zip(x, y, strict=True)]
    assert set(sampled) <= known
    assert len(set(sampled)) == len(sampled)


@pytest.mark.slow
def test_the_script_reproduces_the_sample(full_data, tmp_path):
    made = make(tmp_path / "new")
    shipped = resources.files("akkordeon_dask.data") / "_sample"
    assert sorted(path.name for path in made) == sorted(path.name for path in shipped.iterdir())
    for path in made:
        # Unpacked, because versions of zlib may pack the same bytes differently.
        assert gzip.decompress(path.read_bytes()) == gzip.decompress((shipped / path.name).read_bytes())


def test_the_choice_is_a_function_of_the_seed_and_fair_to_rare_classes():
    labels = np.repeat([0, 1, 2], [700, 299, 1])
    rows = choose(labels, 100, seed=5)
    np.testing.assert_array_equal(rows, choose(labels, 100, seed=5))
    assert rows.tolist() != choose(labels, 100, seed=6).tolist()
    assert len(set(rows.tolist())) == 100
    assert np.bincount(labels[rows], minlength=3).tolist() == [70, 30, 0]
