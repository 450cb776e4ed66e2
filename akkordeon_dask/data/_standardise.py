"""Means and standard deviations of the features of a provider's samples."""

from collections.abc import Iterator, Sized
from contextlib import closing
from dataclasses import fields, replace
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from akkordeon_dask._numbers import check_flag, check_int
from akkordeon_dask.data._checked_source import open_source
from akkordeon_dask.data._from_dask import Collections
from akkordeon_dask.data._provider import Batch, Provider
from akkordeon_dask.data._stream import as_provider
from akkordeon_dask.data._stream_source import Batches
from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = ["Standardisation", "standardise"]

_ROWS = 4096
"""Samples that are read at a time."""


class Standardisation(NamedTuple):
    """The arguments of `nn.Scale`: `nn.Scale(*data.standardise(provider))`.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import data
    >>> found = data.standardise(data.arrays(np.array([[0, 255], [255, 0]], np.uint8), np.zeros(2)), each=False)
    >>> found.mean, found.std
    (127.5, 127.5)
    """

    mean: tuple[float, ...] | float
    """Of each feature or channel, or of all numbers."""
    std: tuple[float, ...] | float
    """The standard deviation, divided by the number of samples; 1 where all are equal."""


def standardise(provider: Provider | Batches, *, each: bool = True, batches: int | None = None) -> Standardisation:
    """Mean and standard deviation of the samples, for the `nn.Scale` in front of a network.

    It reads one epoch of the provider in this process, one batch at a time. The two are those of scikit-learn's
    `StandardScaler`: a feature whose samples are all equal has the deviation 1, and comes out as 0. Where samples have
    weights, a weight of 2 counts as two equal samples.

    Keep it to the training data. The network then takes the numbers of any other data as they are, and they stay in
    their narrow dtype until the first gate.

    Parameters
    ----------
    provider
        x : (batch, features) or (batch, channels, ...), any number dtype; or what `stream` takes.
    each
        a mean and a deviation for each feature of flat samples, each channel of images; False: one for all numbers.
    batches
        read so many batches: of a stream, which may never end. None: the whole epoch.

    Raises
    ------
    DataError
        for numbers that are NaN or infinite, samples of changing size, a stream without `batches`, and collections of
        Dask, which have `mean` and `std` of their own.

    Notes
    -----
    Batches are joined as by Chan, Golub, LeVeque, 'Updating Formulae and a Pairwise Algorithm for Computing Sample
    Variances', Stanford University, STAN-CS-79-773, 1979.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import data, nn
    >>> train = data.arrays(np.array([[1.0, 100.0], [3.0, 100.0]]), np.array([0, 1]))
    >>> data.standardise(train)
    Standardisation(mean=(2.0, 100.0), std=(1.0, 1.0))
    >>> nn.Scale(*data.standardise(train)) >> nn.Linear(2, 5)
    nn.Scale((2.0, 100.0), (1.0, 1.0)) >> nn.Linear(2, 5)
    """
    check_flag("each", each, error=DataError)
    most = None if batches is None else check_int("batches", batches, 1, error=DataError)
    described: Any = as_provider(provider)
    if isinstance(described, Collections):
        raise DataError(
            f"{described!r} is computed by a cluster: write nn.Scale(x.mean(axis=0).compute(), x.std(axis=0).compute())"
        )
    described = _with_last_batches(described)
    with closing(open_source(described)) as source:
        if most is None and source.samples is None and not isinstance(provider, Sized):
            raise DataError(f"{described!r} may never end: say how many batches to read, standardise(..., batches=100)")
        rows = min(_ROWS, source.samples or _ROWS)
        moments = _moments(islice(source.batches(1, rows), most), repr(described), each)
    if moments is None:
        raise DataError(f"{described!r} gave no samples whose weight is above 0: check the data")
    mean, std = moments.mean.tolist(), moments.deviation.tolist()
    return Standardisation(tuple(mean), tuple(std)) if each else Standardisation(mean[0], std[0])


def _with_last_batches(provider: Provider) -> Provider:
    """A provider that leaves no sample of an epoch out, nor does one inside it, as of augmented images."""
    changed: dict[str, Any] = {}
    for field in fields(provider):
        value = getattr(provider, field.name)
        if field.name == "drop_last" and value:
            changed[field.name] = False
        elif isinstance(value, Provider):
            changed[field.name] = _with_last_batches(value)
    return replace(provider, **changed) if changed else provider


class _Moments(NamedTuple):
    weight: float
    mean: Array
    squares: Array
    """Squared distances from the mean, summed."""

    @property
    def deviation(self) -> Array:
        """With scikit-learn's bound for a feature that is constant but for rounding."""
        variance, eps = self.squares / self.weight, np.finfo(np.float64).eps
        constant = variance <= self.weight * eps * variance + (self.weight * self.mean * eps) ** 2
        return np.where(constant, 1.0, np.sqrt(variance))

    def merged(self, other: "_Moments") -> "_Moments":
        weight, apart = self.weight + other.weight, other.mean - self.mean
        mean = self.mean + apart * (other.weight / weight)
        squares = self.squares + other.squares + apart**2 * (self.weight * other.weight / weight)
        return _Moments(weight, mean, squares)


def _moments(batches: Iterator[Batch], name: str, each: bool) -> _Moments | None:
    found: _Moments | None = None
    for number, (x, _, *weights) in enumerate(batches, 1):
        one = _of_batch(x, weights[0] if weights else None, f"{name}, batch {number}", each)
        if one is None:
            continue
        if found is not None and one.mean.shape != found.mean.shape:
            raise DataError(f"{name}, batch {number} has {len(one.mean)} features, those before {len(found.mean)}")
        found = one if found is None else found.merged(one)
    return found


def _of_batch(x: Array, weights: Array | None, name: str, each: bool) -> _Moments | None:
    """The moments of (batch, features, ...) samples; None where all weights are 0."""
    numbers = x.astype(np.float64).reshape(len(x), x.shape[1] if each and x.ndim > 1 else 1, -1)
    if not np.isfinite(numbers).all():
        sample, feature, _ = np.argwhere(~np.isfinite(numbers))[0].tolist()
        value = numbers[sample, feature][~np.isfinite(numbers[sample, feature])][0]
        raise DataError(f"{name}: feature {feature} of sample {sample} is {value}: fill it, or drop its row")
    its = np.ones(len(x)) if weights is None else weights
    weight = float(its.sum()) * numbers.shape[2]
    if not weight:
        return None
    mean = np.tensordot(its, numbers, 1).sum(axis=1) / weight
    squares = np.tensordot(its, (numbers - mean[:, np.newaxis]) ** 2, 1).sum(axis=1)
    return _Moments(weight, mean, squares)
