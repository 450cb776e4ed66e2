"""The confusion matrix: the classes that a network takes for one another."""

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Confusion", "WrongPrediction"]


@dataclass(frozen=True, slots=True)
class WrongPrediction:
    """A sample of a validation pass that the network takes for one of another class."""

    label: int
    predicted: int
    png: str
    """Its image, made smaller where it is large: a PNG file in base64."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """The confusion matrix of a finished validation or test pass, and images of some wrong predictions.

    It stays small, some 30 kB at most, for it rides on the heartbeat of a worker.

    Examples
    --------
    >>> Confusion.of(3, np.array([[5, 1], [0, 4]])).matrix
    array([[5, 1],
           [0, 4]])
    """

    epoch: int
    """The number of the pass."""
    classes: int
    packed: str
    """The matrix in a form that travels; see `matrix`."""
    wrong: tuple[WrongPrediction, ...] = ()
    """Those that the network was surest of; none where the samples are no images."""

    @classmethod
    def of(cls, epoch: int, counts: NDArray[Any], wrong: tuple[WrongPrediction, ...] = ()) -> "Confusion":
        """The confusion with these counts, (classes, classes) integer."""
        packed = zlib.compress(np.ascontiguousarray(counts, "<i8").tobytes())
        return cls(epoch, len(counts), base64.b64encode(packed).decode(), wrong)

    @property
    def matrix(self) -> NDArray[np.int64]:
        """Samples, (classes, classes) int64: a row for each label, a column for each prediction."""
        counts = np.frombuffer(zlib.decompress(base64.b64decode(self.packed)), "<i8")
        return counts.reshape(self.classes, self.classes).astype(np.int64)

    def without_images(self) -> "Confusion":
        """The matrix alone."""
        return replace(self, wrong=())

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Confusion":
        """The confusion of which `dataclasses.asdict` has made plain types; raises a KeyError or TypeError else."""
        wrong = tuple(WrongPrediction(**one) for one in plain["wrong"])
        return cls(int(plain["epoch"]), int(plain["classes"]), str(plain["packed"]), wrong)
