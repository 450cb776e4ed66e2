"""The numbers of a gate: pure functions of their inputs, so any thread may run them."""

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from akkordeon_dask.actors.engine._behavior import Send
from akkordeon_dask.actors.gate._in_flight import StashedBatch
from akkordeon_dask.actors.gate._state import GateCounts, Version
from akkordeon_dask.memory import aligned
from akkordeon_dask.messages import Address, Backward, Forward, Header, Narrowing, WireFormat, narrowed, widened
from akkordeon_dask.nn import Chain, Key
from akkordeon_dask.tree import Array, Tree

__all__ = ["BackwardPass", "Computation", "Evaluation", "ForwardPass"]


@dataclass(slots=True, eq=False)
class Computation(ABC):
    """The computation of one message. Any thread runs it, then a turn of the gate applies the result."""

    chain: Chain
    header: Header
    version: Version
    """Of the batch's forward pass."""
    send_to: Send
    """Sends the result."""
    to: Address
    """The receiver of the result."""
    _: KW_ONLY
    wire: WireFormat | None = None
    """The format of what is sent; None: as it is."""
    narrowing: Narrowing | None = None
    """Of the array that was received, then of the result."""
    error: BaseException | None = field(default=None, init=False)
    samples: int = field(default=0, init=False)

    @property
    def waits(self) -> bool:
        """It may wait for a device."""
        return self.chain.waits

    @property
    def title(self) -> str:
        """The batch, for warnings."""
        return str(self.header)

    def run(self) -> None:
        """Compute; an exception is kept as its error."""
        try:
            self._compute()
        except BaseException as error:
            self.error = error

    @abstractmethod
    def _compute(self) -> None: ...

    @abstractmethod
    def send(self) -> None:
        """Send the result on, unless there is none or it has left."""

    @abstractmethod
    def count(self, counts: GateCounts) -> None:
        """Add it to the gate's counts."""


@dataclass(slots=True, eq=False)
class Evaluation(Computation):
    """A forward pass whose context is not kept."""

    _: KW_ONLY
    x: Array | None
    """(batch, *shape), until it is computed."""
    last: bool
    """The gate is the last one: it says how far training is."""
    y: Array | None = field(default=None, init=False)

    def _compute(self) -> None:
        assert self.x is not None
        self.samples = len(self.x)
        y, _ = self.chain.forward(self.version.params, self._input(self.x))
        self._keep(y)

    def _input(self, x: Array) -> Array:
        return aligned(widened(x, self.narrowing))

    def _keep(self, y: Array) -> None:
        """Keep the output in the form in which it is sent."""
        self.y, self.narrowing = narrowed(y, None if self.last else self.wire)
        self.x = None

    def send(self) -> None:
        if self.y is not None:
            self.send_to(self.to, Forward(self.header, self.y, self._trained if self.last else None, self.narrowing))

    @property
    def _trained(self) -> tuple[int, int]:
        """Updates and samples of the version."""
        return self.version.updates, self.version.samples

    def count(self, counts: GateCounts) -> None:
        assert self.y is not None
        counts.evaluated += self.samples
        counts.nbytes_out += self.y.nbytes


@dataclass(slots=True, eq=False)
class ForwardPass(Evaluation):
    """A forward pass whose context is kept for the backward pass."""

    _: KW_ONLY
    batch: StashedBatch
    """Keeps the context."""
    key: Key | None
    """Of the batch's randomness; None: no layer draws."""
    completes: bool
    """The batch completes an update of the gate, as far as is known now."""
    context: Any = field(default=None, init=False)

    @property
    def _trained(self) -> tuple[int, int]:
        """Updates and samples of the version, with what the batch adds: nothing, where it is part of the version."""
        if self.batch.applied:
            return self.version.updates, self.version.samples
        return self.version.updates + self.completes, self.version.samples + self.samples

    def _compute(self) -> None:
        assert self.x is not None
        self.samples = len(self.x)
        y, self.context = self.chain.forward(self.version.params, self._input(self.x), train=True, key=self.key)
        self._keep(y)

    def count(self, counts: GateCounts) -> None:
        assert self.y is not None
        counts.forwards += 1
        counts.samples += self.samples
        counts.nbytes_out += self.y.nbytes


@dataclass(slots=True, eq=False)
class BackwardPass(Computation):
    """A backward pass: the gradient by the input leaves before the one by the parameters is computed."""

    _: KW_ONLY
    context: Any
    """Of the forward pass."""
    dy: Array | None
    """The gradient by the output, until it is computed."""
    need_dx: bool
    """There is a gate in front; else the sentinel learns that the batch is done."""
    applies: bool
    """The gate is to be updated with the gradient."""
    nbytes: int = field(default=0, init=False)
    grads: Tree = field(default=None, init=False)

    def _compute(self) -> None:
        assert self.dy is not None
        self.samples = len(self.dy)
        dy = aligned(widened(self.dy, self.narrowing))
        dx, compute_grads = self.chain.split_backward(self.context, dy, need_dx=self.need_dx)
        if dx is not None:
            sent, narrowing = narrowed(dx, self.wire)
            self.nbytes = sent.nbytes
            self.send_to(self.to, Backward(self.header, sent, narrowing))
        self.grads = compute_grads()
        self.context = self.dy = None

    def send(self) -> None:
        if self.error is None and not self.need_dx:
            self.send_to(self.to, Backward(self.header, None))

    def count(self, counts: GateCounts) -> None:
        counts.backwards += self.samples
        counts.nbytes_out += self.nbytes
