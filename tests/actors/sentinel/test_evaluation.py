"""A loss of the user returns what numpy makes of it, or says so where it is evaluated."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from akkordeon_dask import Sentinel, data, nn
from akkordeon_dask.actors.sentinel._evaluation import evaluate
from akkordeon_dask.actors.sentinel._in_flight import BatchInFlight
from akkordeon_dask.errors import NonFiniteError, SpecError
from tests.support.for_each import for_each

Y = np.arange(8, dtype=np.float32).reshape(4, 2)
TARGET = np.zeros((4, 2), np.float32)


@dataclass(frozen=True, repr=False)
class Made(nn.Loss):
    """The squared error, and its gradient, as functions make them."""

    loss: Any = float
    dy: Any = np.asarray
    weight: Any = float

    def __call__(self, y, target, *, need_dy=True):
        return self.loss(np.mean((y - target) ** 2)), self.dy(2 * (y - target) / y.size)

    def total_weight(self, target, weights=None):
        return self.weight(len(target))


def evaluated(loss, mode="train", **options):
    """The batch, and the gradient."""
    batch = BatchInFlight(1, 0, Y, TARGET, opening=False)
    sentinel = Sentinel(mode, data.arrays(Y, TARGET), loss=loss, scores=(), **options)
    return batch, evaluate(sentinel, batch, Y, None, lambda event, text: None)


@for_each("number", [float, np.float32, np.float64, np.array])
def test_a_loss_and_a_weight_of_numpy_are_plain_numbers(number):
    batch, _ = evaluated(Made(loss=number, weight=number))
    assert (batch.loss, batch.weight) == (17.5, 4)
    assert type(batch.loss) is type(batch.weight) is float


@for_each("dtype", [np.float32, np.float64, np.float16, ">f4"])
def test_a_gradient_has_the_dtype_of_the_outputs(dtype):
    _, dy = evaluated(Made(dy=lambda dy: dy.astype(dtype)))
    assert dy.dtype == np.float32
    np.testing.assert_allclose(dy, Y / 4)


def test_a_gradient_that_nobody_asked_for_is_left():
    assert evaluated(Made(dy=lambda dy: None), "validate")[1] is None
    assert evaluated(Made(), "validate")[1] is None


@for_each(
    "make, said",
    [
        (lambda dy: None, "a NoneType"),
        (lambda dy: dy.tolist(), "a list"),
        (lambda dy: dy[:, :1], r"float32 of shape \(4, 1\)"),
        (lambda dy: dy.mean(axis=0), r"float32 of shape \(2,\)"),
        (lambda dy: dy + 0j, r"complex64 of shape \(4, 2\)"),
    ],
)
def test_a_gradient_that_is_none_is_an_error_of_the_loss(make, said):
    with pytest.raises(SpecError, match=rf"Made\(.* gives {said} as gradient: .*\(4, 2\), and is of float32"):
        evaluated(Made(dy=make))


class Each(Made):
    """A loss of each sample, without their mean."""

    def __call__(self, y, target, **options):
        return np.square(y).sum(axis=1), super().__call__(y, target, **options)[1]


@for_each("mode", ["train", "validate"])
def test_a_loss_of_each_sample_is_told_that_it_is_one_number(mode):
    with pytest.raises(SpecError, match=r"Each\(.* gives an array of shape \(4,\) as loss: it returns one number"):
        evaluated(Each(), mode)


class Bare(Made):
    """As a loss of PyTorch: a number alone."""

    def __call__(self, y, target, **options):
        return super().__call__(y, target, **options)[0]


@for_each("mode", ["train", "validate"])
def test_a_loss_that_returns_a_number_alone_is_told_its_gradient(mode):
    with pytest.raises(SpecError, match=r"returns a float: it returns \(loss, dy\)"):
        evaluated(Bare(), mode)


@for_each("bad", [np.nan, np.inf, 1e300])
def test_a_gradient_that_is_not_finite_reaches_no_gate_whatever_the_loss(bad):
    loss = Made(dy=lambda dy: dy.astype(np.float64) + bad)
    with np.errstate(over="ignore"), pytest.raises(NonFiniteError, match="the gradient of the loss is not finite on"):
        evaluated(loss)
    with np.errstate(over="ignore"):
        batch, _ = evaluated(loss, on_nonfinite="skip")
    assert batch.skipped
