"""The numbers of a gate: pure functions of their inputs, so any thread may run them."""

import time
import traceback
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from akkordeon_dask.actors.gate._state import GateCounts, StashedBatch, Version
from akkordeon_dask.memory import aligned
from akkordeon_dask.messages import Backward, Forward, Header
from akkordeon_dask.nn import Chain, Key
from akkordeon_dask.tree import Array, Tree

__all__ = ["BackwardPass", "Computation", "CostEstimate", "Evaluation", "ForwardPass", "format_exception"]

_CHEAP, _WEIGHT = 3e-4, 0.1


class CostEstimate:
    """A moving average of the CPU seconds of one kind of computation. Owned by one thread.

    Handing a computation to another thread takes 0.05 to 0.1 ms where other threads want the interpreter too, so a
    cheap one runs at once. Nor does it count as taking a core, which would keep a helper from expensive ones.
    """

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds = _CHEAP
        """Before the first one: just not cheap."""

    def update(self, seconds: float) -> None:
        """Note another run."""
        self.seconds += _WEIGHT * (seconds - self.seconds)

    @property
    def is_cheap(self) -> bool:
        """Not worth a helper."""
        return self.seconds < _CHEAP


@dataclass(slots=True)
class Computation(ABC):
    """The computation of one message. One thread computes it, then the gate's own thread applies the result."""

    chain: Chain
    header: Header
    version: Version
    """The version of the batch's forward pass."""
    error: BaseException | None = None
    cheap: bool = False
    """It is expected to take little time."""
    seconds: float = 0.0
    """CPU seconds that it took."""

    def compute(self) -> None:
        """Run it; an exception is kept as its error."""
        begun = time.thread_time()
        try:
            self._compute()
        except BaseException as error:
            self.error = error
        self.seconds = time.thread_time() - begun

    @abstractmethod
    def _compute(self) -> None: ...

    @abstractmethod
    def result(self, *, last: bool = False) -> Forward | Backward:
        """The message to send on; the `last` gate adds how far training is."""

    @abstractmethod
    def count(self, counts: GateCounts) -> None:
        """Add it to the gate's counts."""


@dataclass(slots=True)
class Evaluation(Computation):
    """A forward pass whose context is not kept."""

    x: Array | None = None
    samples: int = 0
    y: Array | None = None

    def _compute(self) -> None:
        assert self.x is not None
        self.samples = len(self.x)
        self.y, _ = self.chain.forward(self.version.params, aligned(self.x))
        self.x = None

    def result(self, *, last: bool = False) -> Forward | Backward:
        assert self.y is not None
        return Forward(self.header, self.y, (self.version.number, self.version.samples) if last else None)

    def count(self, counts: GateCounts) -> None:
        assert self.y is not None
        counts.evaluated += self.samples
        counts.nbytes_out += self.y.nbytes


@dataclass(slots=True)
class ForwardPass(Evaluation):
    """A forward pass whose context is kept for the backward pass."""

    batch: StashedBatch | None = None
    key: Key | None = None
    context: Any = None

    def _compute(self) -> None:
        assert self.x is not None
        self.samples = len(self.x)
        self.y, self.context = self.chain.forward(self.version.params, aligned(self.x), train=True, key=self.key)
        self.x = None

    def count(self, counts: GateCounts) -> None:
        assert self.y is not None
        counts.forwards += 1
        counts.samples += self.samples
        counts.nbytes_out += self.y.nbytes


@dataclass(slots=True)
class BackwardPass(Computation):
    """A backward pass."""

    context: Any = None
    dy: Array | None = None
    need_dx: bool = True
    applies: bool = True
    """The gate is to be updated with the gradient."""
    dx: Array | None = None
    grads: Tree = None
    samples: int = 0

    def _compute(self) -> None:
        assert self.dy is not None
        self.samples = len(self.dy)
        self.dx, self.grads = self.chain.backward(self.context, aligned(self.dy), need_dx=self.need_dx)
        self.context = self.dy = None

    def result(self, *, last: bool = False) -> Forward | Backward:
        return Backward(self.header, self.dx)

    def count(self, counts: GateCounts) -> None:
        counts.backwards += self.samples
        counts.nbytes_out += 0 if self.dx is None else self.dx.nbytes


def format_exception(error: BaseException) -> str:
    """An exception as text, with the line that raised it."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} (raised in {frame.name}, {frame.filename}:{frame.lineno})"
