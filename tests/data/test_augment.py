import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from akkordeon_dask import data, memory
from akkordeon_dask.data import _augmented_source

X = np.arange(1, 2 * 3 * 5 * 7 + 1).reshape(2, 3, 5, 7)
DIGITS = np.arange(400 * 6 * 5, dtype=np.float32).reshape(400, 6, 5)


def moved(image, down, right, fill):
    out = np.full_like(image, fill)
    for row, column in np.ndindex(image.shape[1:]):
        if 0 <= row - down < image.shape[1] and 0 <= column - right < image.shape[2]:
            out[:, row, column] = image[:, row - down, column - right]
    return out


def allowed(image, shift, crop, flip, fill) -> set[bytes]:
    """All that may become of an image (channels, height, width), one after the other."""
    distances = range(-shift, shift + 1)
    shifted = [moved(image, *by, fill) for by in itertools.product(distances, distances)]
    height, width = crop or image.shape[1:]
    corners = list(itertools.product(range(image.shape[1] - height + 1), range(image.shape[2] - width + 1)))
    cut = [each[:, top : top + height, left : left + width] for each in shifted for top, left in corners]
    return {each.tobytes() for each in cut} | {each[..., ::-1].tobytes() for each in cut if flip}


def first(provider):
    source = provider.open()
    return next(source.batches(1, source.samples or 1))[0]


@st.composite
def cases(draw):
    channels, height, width = draw(st.integers(1, 3)), draw(st.integers(2, 7)), draw(st.integers(2, 7))
    how = {
        "channels": "first",
        "flip": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**70)),
        "fill": draw(st.sampled_from([0, 3])),
    }
    how["shift"] = draw(st.integers(0, min(height, width, 3) - 1))
    how["crop"] = draw(st.none() | st.tuples(st.integers(1, height), st.integers(1, width)))
    images = np.arange(5 * channels * height * width) % 251 + 4
    images = images.reshape(5, channels, height, width).astype(draw(st.sampled_from(["u1", "f4", "i2", "f8"])))
    layout = draw(st.sampled_from(["images", "channels", "flat"]))
    if layout == "images":
        return images[:, 0], how
    return (images, how) if layout == "channels" else (images.reshape(5, -1), how | {"shape": images.shape[1:]})


def as_images(x, how):
    shape = how.get("shape", x.shape[1:])
    return x.reshape(len(x), *(1, *shape)[-3:])


@given(cases(), st.integers(1, 1000))
def test_every_image_is_one_of_those_that_may_become_of_it(case, epoch):
    x, how = case
    provider = data.augment(data.arrays(x, np.arange(5)), **how)
    source = provider.open()
    (out, y) = next(source.batches(epoch, 5))
    assert (out.shape[1:], out.dtype) == (source.shape, x.dtype)
    images = as_images(x, how)
    size = (images.shape[1], *(how["crop"] or images.shape[2:]))
    assert out.ndim == x.ndim and out[0].size == np.prod(size)
    for row, label in enumerate(y):
        choices = allowed(images[label], how["shift"], how["crop"], how["flip"], how["fill"])
        assert out[row].tobytes() in choices


@given(cases())
def test_without_options_the_images_stay_as_they_are(case):
    x, how = case
    assert_array_equal(
        first(data.augment(data.arrays(x, None, shuffle=False), shape=how.get("shape"), channels="first")), x
    )


@given(cases(), st.integers(1, 1000))
def test_seed_epoch_and_batch_decide_alone(case, epoch):
    x, how = case
    provider = data.augment(data.arrays(x, None), **how)
    used = provider.open()
    next(used.batches(epoch + 1, 1))
    for (out, _), (again, _) in zip(provider.open().batches(epoch, 2), used.batches(epoch, 2), strict=True):
        assert_array_equal(out, again)


def test_another_epoch_batch_or_seed_draws_something_else():
    x = np.concatenate([DIGITS, DIGITS])
    plain = data.arrays(x, None, shuffle=False)
    drawn = [
        out
        for seed, epoch in itertools.product((0, 1), (1, 2))
        for out, _ in data.augment(plain, shift=2, flip=True, seed=seed).open().batches(epoch, 400)
    ]
    assert len(drawn) == len({out.tobytes() for out in drawn}) == 8


def test_all_shifts_crops_and_flips_come_about_and_for_each_image_on_its_own():
    image = DIGITS[:1] + 1
    provider = data.augment([(np.repeat(image, 2000, axis=0), None)], shift=1, crop=(5, 4), flip=True)
    assert {out.tobytes() for out in first(provider)} == allowed(image, 1, (5, 4), True, 0)
    assert len(allowed(image, 1, (5, 4), True, 0)) > 3 * 3 * 2


def test_one_half_is_flipped():
    out = first(data.augment(data.arrays(DIGITS, None, shuffle=False), flip=True))
    kept, flipped = (out == DIGITS).all((1, 2)), (out == DIGITS[..., ::-1]).all((1, 2))
    assert (kept ^ flipped).all()
    assert 150 < kept.sum() < 250


def test_large_batches_are_worked_on_in_parts_that_do_not_show(monkeypatch):
    provider = data.augment(data.arrays(DIGITS, None), shift=2, crop=(4, 5), flip=True)
    whole = first(provider)
    for chunk in (1, 100 * 30 * 4, 130 * 30 * 4):
        monkeypatch.setattr(_augmented_source, "_CHUNK", chunk)
        assert_array_equal(first(provider), whole)


def test_labels_and_what_is_known_are_handed_through():
    y = np.arange(400)
    plain = data.arrays(DIGITS, y, seed=4, take=300)
    source, inner = data.augment(plain, shift=1).open(), plain.open()
    for name in ("samples", "shape", "dtype", "labelled", "blocking"):
        assert getattr(source, name) == getattr(inner, name)
    for (_, labels), (_, expected) in zip(source.batches(2, 70), inner.batches(2, 70), strict=True):
        assert_array_equal(labels, expected)


@pytest.mark.parametrize(
    ("samples", "how", "shape"),
    [
        ((5, 7), {"crop": (4, 3)}, (4, 3)),
        ((3, 5, 7), {"crop": (4, 3), "shift": 4}, (3, 4, 3)),
        ((105,), {"crop": (4, 3), "shape": (3, 5, 7)}, (36,)),
        ((35,), {"shape": (5, 7), "flip": True}, (35,)),
        ((3, 5, 7), {"shape": [3, 5, 7]}, (3, 5, 7)),
    ],
)
def test_a_source_knows_the_shape_behind_a_crop(samples, how, shape):
    source = data.augment(data.arrays(np.zeros((2, *samples), np.uint8), None), **how).open()
    assert source.shape == shape
    assert next(source.batches(1, 2))[0].shape == (2, *shape)


def test_digits_of_mnist_are_shifted_flat():
    provider = data.augment(data.mnist_sample("train"), shift=2, shape=(28, 28))
    source = provider.open()
    assert (source.samples, source.shape, source.dtype) == (10_000, (784,), np.uint8)
    x, y = next(source.batches(1, 64))
    plain, labels = next(data.mnist_sample("train").open().batches(1, 64))
    assert_array_equal(y, labels)
    assert 0 < np.count_nonzero((x == plain).all(axis=1)) < 20


def test_any_iterable_will_do_and_is_closed_with_the_source():
    ended = []

    def cameras():
        try:
            while True:
                yield X[:, 0], None
                yield X[:1].astype(np.uint8), [1]
        finally:
            ended.append(True)

    source = data.augment(cameras, crop=(5, 5), flip=True).open()
    assert source.blocking is True
    assert (source.samples, source.shape, source.dtype, source.labelled) == (None, None, None, None)
    batches = source.batches(1, 1)
    (a, no_labels), (b, y) = next(batches), next(batches)
    assert (a.shape, a.dtype, no_labels, b.shape, b.dtype, y.tolist()) == (
        (2, 5, 5), X.dtype, None, (1, 3, 5, 5), np.uint8, [1],
    )  # fmt: skip
    source.close()
    assert ended == [True]


def test_the_batches_of_the_inner_source_are_not_written_into():
    x = DIGITS.copy()
    for shared in (x, np.asfortranarray(x), x[:, ::-1], x.astype(">f4")):
        shared.flags.writeable = False
        out = first(data.augment([(shared, None)], flip=True, shift=1))
        assert not np.shares_memory(out, shared) and out.dtype == shared.dtype.newbyteorder("=")
        out[...] = 0
    assert_array_equal(x, DIGITS)


def test_batches_belong_to_the_caller_and_their_memory_is_recycled():
    source = data.augment(data.arrays(DIGITS, None, shuffle=False), shift=1).open()
    lent, addresses = memory.pool.lent, set()
    for batch, _ in itertools.chain(*(source.batches(epoch, 400) for epoch in (1, 2, 3))):
        assert memory.pool.lent == lent + 1
        addresses.add(batch.ctypes.data)
        del batch
    assert len(addresses) == 1


def test_augmented_images_can_be_augmented_again():
    inner = data.augment(data.arrays(DIGITS, None, shuffle=False), flip=True)
    out = first(data.augment(inner, flip=True, seed=1))
    twice = (out == DIGITS).all((1, 2))
    assert 150 < twice.sum() < 250
