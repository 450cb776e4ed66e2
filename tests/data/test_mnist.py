import gzip
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from akkordeon_dask import data
from akkordeon_dask.errors import DataError
from tests.support.for_each import for_each
from tests.support.patience import PATIENCE

TRAIN_CLASSES = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_CLASSES = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def put(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def classes(provider) -> list[int]:
    source = provider.open()
    return np.bincount(np.concatenate([y for _, y in source.batches(1, 1000)])).tolist()


def test_mnist_has_the_digits_that_it_is_known_to_have(full_data):
    assert classes(data.mnist("train")) == TRAIN_CLASSES
    assert classes(data.mnist("test")) == TEST_CLASSES


def test_mnists_images_have_the_mean_and_deviation_they_are_known_to_have(full_data):
    source = data.mnist("train").open()
    (x, _) = next(source.batches(1, 60_000))
    assert x.mean() == pytest.approx(33.318, abs=1e-3)
    assert x.std() == pytest.approx(78.567, abs=1e-3)


def test_fashion_mnist_has_as_many_of_each_class(full_data):
    assert classes(data.fashion_mnist("train")) == [6000] * 10
    assert classes(data.fashion_mnist("test")) == [1000] * 10


@pytest.mark.parametrize("make", [data.mnist, data.fashion_mnist])
def test_samples_are_flat_uint8_with_int64_labels(full_data, make):
    source = make("train").open()
    assert (source.samples, source.shape, source.dtype, source.labelled) == (60_000, (784,), np.uint8, True)
    x, y = next(source.batches(1, 32))
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((32, 784), np.uint8, (32,), np.int64)


def test_sentinels_of_one_process_share_one_copy(own, blank):
    put(own, blank)
    provider = data.mnist("test")
    other = data.mnist("test", take=5_000, seed=3)
    first, second, third = (
        next(p.open().batches(1, 100))[0] for p in (provider, pickle.loads(pickle.dumps(provider)), other)
    )
    assert np.shares_memory(first, second)
    assert np.shares_memory(first, third)
    assert not first.flags.writeable


def test_sentinels_that_begin_together_share_one_copy_too(own, blank):
    put(own, blank)
    with ThreadPoolExecutor(4) as pool:
        begun = [pool.submit(lambda: next(data.mnist("test").open().batches(1, 10))[0]) for _ in range(4)]
    first, *others = [future.result(timeout=PATIENCE) for future in begun]
    assert all(np.shares_memory(first, other) for other in others)


def test_a_file_that_was_replaced_is_read_again(own, blank, idx):
    put(own, blank)
    assert data.mnist("test").open().samples == 10_000
    put(own, {"t10k-labels-idx1-ubyte.gz": idx(np.full(10_000, 7))})
    _, y = next(data.mnist("test").open().batches(1, 10_000))
    assert set(y.tolist()) == {7}


@pytest.mark.parametrize("name", ["{plain}", "{dotted}", "{plain}/{plain}", "{dotted}/{dotted}"])
def test_the_users_own_files_may_be_unpacked(own, blank, name):
    for archive, content in blank.items():
        plain = archive.removesuffix(".gz")
        path = own / name.format(plain=plain, dotted=plain.replace("-idx", ".idx"))
        put(path.parent, {path.name: gzip.decompress(content)})
    _, y = next(data.mnist("test").open().batches(1, 20))
    assert y.tolist() == [*range(10)] * 2


def test_the_cache_is_used_where_there_are_no_own_files(cache, blank):
    put(cache / "fashion-mnist", blank)
    assert data.fashion_mnist("test").open().samples == 10_000


def test_the_users_own_files_come_before_the_cache(own, cache, blank, idx):
    put(cache / "mnist", blank)
    put(own, blank | {"t10k-labels-idx1-ubyte.gz": idx(np.full(10_000, 3))})
    _, y = next(data.mnist("test").open().batches(1, 10))
    assert y.tolist() == [3] * 10


def test_train_is_shuffled_and_test_is_not_where_nothing_is_said():
    assert data.mnist("train") == data.mnist("train", shuffle=True)
    assert data.mnist("test") == data.mnist("test", shuffle=False)
    assert data.mnist("train") != data.mnist("train", shuffle=False)


@for_each(
    "said",
    [
        "data.mnist('train')",
        "data.mnist('test', shuffle=True, seed=4)",
        "data.mnist('train', take=100, shard=(1, 2))",
        "data.fashion_mnist('test')",
        "data.fashion_mnist('train', shuffle=False)",
        "data.mnist_sample('test', take=5)",
        "data.mnist_sample('train', seed=2)",
    ],
)
def test_the_provider_is_a_value_that_prints_as_it_was_written(said):
    provider = eval(said)
    assert repr(provider) == said
    for same in (eval(said), pickle.loads(pickle.dumps(provider))):
        assert same == provider
        assert hash(same) == hash(provider)
    assert provider != data.mnist("train", seed=99)
    assert len(pickle.dumps(provider)) < 2_000


def test_the_three_sets_differ():
    assert len({data.mnist("test"), data.fashion_mnist("test"), data.mnist_sample("test")}) == 3


@pytest.mark.parametrize("make", [data.mnist, data.fashion_mnist, data.mnist_sample])
@pytest.mark.parametrize(
    ("split", "given", "words"),
    [
        ("validation", {}, "split='validation': give 'train' or 'test'"),
        ("test", {"take": 10_001}, r"takes 10001 samples of \d+"),
        ("train", {"take": 5, "shard": (5, 6)}, "has no samples"),
        ("train", {"shard": (6, 6)}, "there is no shard 6"),
        ("train", {"seed": "a"}, "seed is a whole number of at least 0, not 'a'"),
    ],
)
def test_an_argument_out_of_range_is_refused_before_any_file_is_read(make, split, given, words, cache):
    with pytest.raises(DataError, match=words):
        make(split, **given)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda good, idx: {"t10k-images-idx3-ubyte.gz": good["t10k-images-idx3-ubyte.gz"][:-20]}, "images.*damaged"),
        (lambda good, idx: {"t10k-labels-idx1-ubyte.gz": b"<html>"}, "labels.*expected an IDX file"),
        (lambda good, idx: {"t10k-labels-idx1-ubyte.gz": idx(np.zeros(9_999))}, "10000 images, .* 9999 labels"),
        (
            lambda good, idx: {
                "t10k-labels-idx1-ubyte.gz": idx(np.zeros(10)),
                "t10k-images-idx3-ubyte.gz": idx(np.zeros((10, 28, 28))),
            },
            r"images.*expected an array \(10000, 28, 28\) of uint8, found \(10, 28, 28\)",
        ),
    ],
)
def test_a_bad_file_is_named_with_what_to_do(own, cache, blank, idx, damage, words):
    files = blank | damage(blank, idx)
    put(own, files)
    with pytest.raises(DataError, match=rf"own/mnist/t10k-.*{words}.*put a good t10k-.* in .*own/mnist, or delete it"):
        data.mnist("test").open()
    put(cache / "fashion-mnist", files)
    with pytest.raises(DataError, match=rf"fashion-mnist/t10k-.*{words}.*delete it and run again"):
        data.fashion_mnist("test").open()
