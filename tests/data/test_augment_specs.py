import pickle

import dask.array as da
import numpy as np
import pytest

from akkordeon_dask import data
from akkordeon_dask.errors import DataError
from tests.support.for_each import for_each


@pytest.mark.parametrize(
    "said",
    [
        "data.augment(data.mnist('train'), shift=2, shape=(28, 28))",
        "data.augment(data.mnist('test', take=5))",
        "data.augment(data.mnist_sample('train'), shift=1, crop=(24, 20), flip=True, shape=(28, 28), fill=3, seed=4)",
        "data.augment(data.augment(data.fashion_mnist('train'), flip=True, shape=(1, 28, 28)), crop=(3, 3), seed=1)",
    ],
)
def test_the_provider_is_a_value_that_prints_as_it_was_written(said):
    provider = eval(said)
    assert repr(provider) == said
    for same in (eval(said), pickle.loads(pickle.dumps(provider))):
        assert same == provider
        assert hash(same) == hash(provider)
    assert provider != data.augment(data.mnist("train"), seed=99)


def test_images_in_a_collection_are_moved_by_tasks_of_its_own():
    images = data.from_dask(da.zeros((8, 2, 2), chunks=4), da.zeros(8, chunks=4, dtype=int))
    with pytest.raises(DataError, match=r"data\.from_dask\(<Array of 2 partitions>, .* x\.map_blocks\(function\)"):
        data.augment(images, flip=True)


def test_numpys_numbers_and_lists_print_plainly():
    provider = data.augment(data.mnist("train"), shift=np.int64(1), crop=[np.int32(3), 3], fill=np.float32(0.5))
    assert repr(provider) == "data.augment(data.mnist('train'), shift=1, crop=(3, 3), fill=0.5)"


@for_each(
    "how, words",
    [
        ({"shift": -1}, "shift is a whole number of at least 0, not -1"),
        ({"shift": 1.5}, r"shift is .*, not 1\.5"),
        ({"seed": -1}, "seed is a whole number of at least 0, not -1"),
        ({"seed": "a"}, "seed is .*, not 'a'"),
        ({"crop": 24}, r"crop=24: give \(height, width\)"),
        ({"crop": (0, 3)}, r"crop=\(0, 3\): a size is a whole number of at least 1, not 0"),
        ({"shape": (784,)}, r"shape=\(784,\): give \(height, width\) or \(channels"),
        ({"shape": (28, -28)}, r"shape=\(28, -28\): a size is .*, not -28"),
        (
            {"shape": (28, 28), "crop": (29, 2)},
            r"crop=\(29, 2\) is larger than images of 28 x 28: .* at most \(28, 28\)",
        ),
        ({"shape": (3, 9, 8), "shift": 8}, "shift=8 leaves nothing of images of 9 x 8: shift by at most 7"),
        ({"fill": "black"}, "fill is a finite number, not 'black'"),
        ({"fill": np.inf}, "fill is .*, not inf"),
    ],
)
def test_an_argument_out_of_range_is_refused_when_it_is_written(how, words):
    with pytest.raises(DataError, match=words):
        data.augment(data.mnist("train"), **how)


def test_a_value_that_is_no_provider_is_refused():
    with pytest.raises(DataError, match="3 of type int is no provider"):
        data.augment(3)


@for_each(
    "samples, how, words",
    [
        ((784,), {"shift": 1}, r"of shape \(784,\) are not images .* give their shape, e\.g\. shape=\(28, 28\)"),
        ((105,), {"flip": True}, r"of shape \(105,\) are not images .* give their shape$"),
        ((), {}, r"of shape \(\) are not images"),
        ((2, 3, 4, 5), {}, r"of shape \(2, 3, 4, 5\) are not images"),
        ((784,), {"shape": (3, 32, 32)}, r"\(784,\) are not images of shape=\(3, 32, 32\), which have 3072 pixels"),
        ((28, 28), {"shape": (1, 28, 28)}, r"\(28, 28\) are not images of shape=\(1, 28, 28\)"),
        ((3, 9, 8), {"crop": (8, 9)}, r"crop=\(8, 9\) is larger than images of 9 x 8: crop to at most \(9, 8\)"),
        ((3, 9, 8), {"shift": 8}, "shift=8 leaves nothing of images of 9 x 8"),
        ((9, 8), {"fill": 256}, "pixels of uint8 cannot be fill=256: give a number of that dtype"),
        ((9, 8), {"fill": 0.5}, r"pixels of uint8 cannot be fill=0\.5"),
    ],
)
def test_samples_that_do_not_fit_are_refused_when_opened_and_in_a_stream_at_the_batch(samples, how, words):
    x = np.zeros((2, *samples), np.uint8)
    with pytest.raises(DataError, match=rf"^data\.augment\(data\.arrays\(.*{words}"):
        data.augment(data.arrays(x, None), **how).open()
    batches = data.augment([(x, None)], **how).open().batches(1, 1)
    with pytest.raises(DataError, match=rf"^data\.augment\(data\.stream\(.*{words}"):
        next(batches)


LAST = [(32, 32, 3), (28, 28, 1), (5, 7, 4), (4, 4, 3), (2, 9, 1)]


@pytest.mark.parametrize("shape", LAST)
def test_channels_that_come_last_are_refused_with_the_transpose_to_write(shape):
    height, width, channels = shape
    x = np.arange(2 * height * width * channels, dtype=np.int16).reshape(2, *shape)
    written = rf"x\.reshape\(-1, {height}, {width}, {channels}\)\.transpose\(0, 3, 1, 2\)"
    words = rf"^data\.augment\(.*\): channels come first, and images of \({height}, {width}, {channels}\) .*{written}"
    with pytest.raises(DataError, match=words):
        data.augment(data.arrays(x, None), flip=True).open()
    with pytest.raises(DataError, match=words):
        next(data.augment([(x, None)], flip=True).open().batches(1, 1))
    with pytest.raises(DataError, match=rf"{words} with shape=\({channels}, {height}, {width}\), or say channels"):
        data.augment(data.arrays(x.reshape(2, -1), None), flip=True, shape=shape)
    turned = data.arrays(x.reshape(-1, height, width, channels).transpose(0, 3, 1, 2), None, shuffle=False)
    out, _ = next(data.augment(turned, flip=True).open().batches(1, 2))
    for image, before in zip(out.transpose(0, 2, 3, 1), x, strict=True):
        assert (image == before).all() or (image == before[:, ::-1]).all()


@pytest.mark.parametrize("shape", LAST)
def test_such_shapes_are_taken_where_they_are_meant(shape):
    x = np.arange(np.prod(shape)).reshape(1, *shape)
    provider = data.augment(data.arrays(x, None), flip=True, channels="first")
    assert repr(provider).endswith("flip=True, channels='first')")
    out, _ = next(provider.open().batches(1, 1))
    assert (out == x).all() or (out == x[..., ::-1]).all()
    assert data.augment(data.arrays(x.reshape(1, -1), None), shape=shape, channels="first").open().shape == (x.size,)


@for_each("shape", [(3, 32, 32), (1, 28, 28), (3, 5, 4), (1, 4, 1), (16, 8, 8), (28, 28), (28, 3)])
def test_shapes_whose_channels_may_come_first_need_no_word(shape):
    assert data.augment(data.arrays(np.zeros((2, *shape)), None)).open().shape == shape


@pytest.mark.parametrize("channels", ["last", "First", True, 0])
def test_channels_come_first_or_are_not_spoken_of(channels):
    with pytest.raises(DataError, match=rf"^channels={channels!r}: give 'first', or leave it out"):
        data.augment(data.mnist("train"), channels=channels)


@pytest.mark.parametrize(("dtype", "fill"), [("?", 2), ("f2", 1e6), ("i1", -129)])
def test_a_fill_fits_the_dtype(dtype, fill):
    x = np.zeros((2, 3, 3), dtype)
    with pytest.raises(DataError, match="cannot be fill="):
        data.augment(data.arrays(x, None), fill=fill).open()
    (out, _) = next(data.augment([(x, None)], shift=1, fill=1).open().batches(1, 1))
    assert out.any()


def test_a_batch_size_that_does_not_fit_is_refused_before_the_first_batch():
    source = data.augment(data.arrays(np.zeros((4, 3, 3)), None), shift=1).open()
    with pytest.raises(DataError, match="batch_size=5 is larger than the 4 samples"):
        source.batches(1, 5)
