"""Modules that look their input up: an embedding's indices."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from akkordeon_dask import Gate, Network, optim
from akkordeon_dask.errors import ShapeError
from akkordeon_dask.sklearn import AkkordeonClassifier
from akkordeon_dask.torch import TorchModule
from tests.support.for_each import for_each
from tests.support.one_worker import one_worker


class Casts(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.words = torch.nn.Embedding(9, 4)

    def forward(self, x):
        return self.words(x.long())


class TooManyAxes(torch.nn.Module):
    def forward(self, x):
        return x[:, :, :, :, 0]


class FirstWord(torch.nn.Module):
    """Samples of two rows of words."""

    def __init__(self):
        super().__init__()
        self.words = torch.nn.Embedding(9, 4)

    def forward(self, x):
        return self.words(x[:, 0, :]).mean(1)


@for_each(
    "make, shape",
    [
        (lambda: torch.nn.Embedding(9, 4), (3,)),
        (lambda: torch.nn.EmbeddingBag(9, 4), (3,)),
        (lambda: torch.nn.Sequential(torch.nn.Embedding(9, 4), torch.nn.Flatten(), torch.nn.Linear(12, 2)), (3,)),
        (FirstWord, (2, 5)),
    ],
)
def test_a_module_that_looks_its_input_up_takes_integers_of_any_width_and_nothing_else(make, shape):
    layer = TorchModule(make)
    params = layer.init(np.random.default_rng(0))
    x = np.random.default_rng(1).integers(0, 9, (6, *shape))
    expected, _ = layer.forward(params, x)
    for dtype in (np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.uint64):
        assert_array_equal(layer.forward(params, x.astype(dtype))[0], expected)
    assert layer.output_dtype(np.dtype(np.uint16)) == np.float32
    for dtype in (np.float32, np.float64):
        with pytest.raises(ShapeError, match=r"looks its input up, and takes integers, not float\d\d: \.astype"):
            layer.output_dtype(np.dtype(dtype))


@for_each(
    "make",
    [lambda: torch.nn.Linear(7, 2), lambda: torch.nn.Conv2d(5, 2, 3), lambda: torch.nn.LSTM(3, 2), Casts, TooManyAxes],
)
def test_what_takes_floating_point_or_cannot_be_tried_is_asked_for_nothing_more(make):
    assert TorchModule(make).output_dtype(np.dtype(np.float32)) == np.float32


@pytest.mark.cluster
def test_an_estimator_gives_a_module_its_indices_with_all_digits():
    first = 2**24
    x = first + np.arange(4).reshape(-1, 1).repeat(20, axis=0)

    class LastWords(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.words = torch.nn.Embedding(4, 4)

        def forward(self, x):
            return torch.nn.functional.embedding(x - first, self.words.weight)[:, 0, :]

    network = Network([Gate(TorchModule(LastWords), optim.Adam(0.1))])
    with one_worker():
        assert AkkordeonClassifier(network, max_epochs=20, random_state=0).fit(x, x[:, 0]).score(x, x[:, 0]) == 1
