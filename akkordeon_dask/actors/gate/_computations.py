"""The numbers of a gate: pure functions of what they are given, so any thread may compute them."""

from __future__ import annotations

import time
import traceback
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from akkordeon_dask.memory import aligned
from akkordeon_dask.messages import Backward, Forward, Header
from akkordeon_dask.nn import Chain, Key
from akkordeon_dask.tree import Array, Tree

if TYPE_CHECKING:
    from akkordeon_dask.actors.gate._in_flight import StashedBatch
    from akkordeon_dask.actors.gate._state import GateCounts, Version

__all__ = ["BackwardPass", "Computation", "Evaluation", "ForwardPass", "format_exception"]


@dataclass(slots=True)
class Computation(ABC):
    """One message's computation. One thread computes it, then the gate's own thread takes what came of it."""

    chain: Chain
    header: Header
    version: Version
    """The version that the batch's forward pass reads, or has read."""
    error: BaseException | None = None
    light: bool = False
    """It is expected to take little time."""
    seconds: float = 0.0
    """Of CPU that it took."""

    def compute(self) -> None:
        """Do it; what goes wrong is kept."""
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
        """The message that is sent on; the `last` gate says how far training is."""

    @abstractmethod
    def count(self, counts: GateCounts) -> None:
        """Count what was done."""


@dataclass(slots=True)
class Evaluation(Computation):
    """A forward pass of which nothing is kept."""

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

    held: StashedBatch | None = None
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
    """An exception as text, with the place it was raised at."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} (raised in {frame.name}, {frame.filename}:{frame.lineno})"
