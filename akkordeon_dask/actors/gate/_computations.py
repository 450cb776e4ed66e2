"""The numbers of a gate: pure functions of their inputs, so any thread may run them."""

from abc import ABC, abstractmethod
from typing import Any

from akkordeon_dask.actors.engine._behavior import Send
from akkordeon_dask.actors.gate._state import GateCounts, StashedBatch, Version
from akkordeon_dask.memory import aligned
from akkordeon_dask.messages import Address, Backward, Forward, Header, Narrowing, WireFormat, narrowed, widened
from akkordeon_dask.nn import Chain, Key
from akkordeon_dask.tree import Array, Tree

__all__ = ["BackwardPass", "Computation", "Evaluation", "ForwardPass"]


class Computation(ABC):
    """The computation of one message. Any thread runs it, then a turn of the gate applies the result.

    Parameters
    ----------
    version
        of the batch's forward pass.
    send, to
        how, and to whom the result is sent.
    wire
        the format of what is sent; None: as it is.
    narrowing
        of the array that was received.
    """

    __slots__ = ("chain", "error", "header", "narrowing", "samples", "send_to", "to", "version", "waits", "wire")

    def __init__(
        self,
        chain: Chain,
        header: Header,
        version: Version,
        send: Send,
        to: Address,
        *,
        wire: WireFormat | None = None,
        narrowing: Narrowing | None = None,
    ) -> None:
        self.chain, self.header, self.version = chain, header, version
        self.send_to, self.to = send, to
        self.wire, self.narrowing = wire, narrowing
        self.waits = chain.waits
        self.error: BaseException | None = None
        self.samples = 0

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


class Evaluation(Computation):
    """A forward pass whose context is not kept.

    Parameters
    ----------
    x
        (batch, *shape)
    last
        the gate is the last one: it says how far training is.
    """

    __slots__ = ("last", "x", "y")

    def __init__(
        self,
        chain: Chain,
        header: Header,
        version: Version,
        send: Send,
        to: Address,
        *,
        x: Array,
        last: bool,
        wire: WireFormat | None = None,
        narrowing: Narrowing | None = None,
    ) -> None:
        super().__init__(chain, header, version, send, to, wire=wire, narrowing=narrowing)
        self.x: Array | None = x
        self.y: Array | None = None
        self.last = last

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


class ForwardPass(Evaluation):
    """A forward pass whose context is kept for the backward pass.

    Parameters
    ----------
    batch
        keeps the context.
    key
        of the batch's randomness; None: no layer draws.
    completes
        the batch completes an update of the gate, as far as is known now.
    """

    __slots__ = ("batch", "completes", "context", "key")

    def __init__(
        self,
        chain: Chain,
        header: Header,
        version: Version,
        send: Send,
        to: Address,
        *,
        x: Array,
        last: bool,
        batch: StashedBatch,
        key: Key | None,
        completes: bool,
        wire: WireFormat | None = None,
        narrowing: Narrowing | None = None,
    ) -> None:
        super().__init__(chain, header, version, send, to, x=x, last=last, wire=wire, narrowing=narrowing)
        self.batch, self.key, self.completes = batch, key, completes
        self.context: Any = None

    @property
    def _trained(self) -> tuple[int, int]:
        """Updates and samples of the version, with what the batch adds."""
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


class BackwardPass(Computation):
    """A backward pass: the gradient by the input leaves before the one by the parameters is computed.

    Parameters
    ----------
    context
        of the forward pass.
    dy
        the gradient by the output.
    need_dx
        there is a gate in front; else the sentinel learns that the batch is done.
    applies
        the gate is to be updated with the gradient.
    """

    __slots__ = ("applies", "context", "dy", "grads", "nbytes", "need_dx")

    def __init__(
        self,
        chain: Chain,
        header: Header,
        version: Version,
        send: Send,
        to: Address,
        *,
        context: Any,
        dy: Array,
        need_dx: bool,
        applies: bool,
        wire: WireFormat | None = None,
        narrowing: Narrowing | None = None,
    ) -> None:
        super().__init__(chain, header, version, send, to, wire=wire, narrowing=narrowing)
        self.context: Any = context
        self.dy: Array | None = dy
        self.need_dx, self.applies = need_dx, applies
        self.nbytes = 0
        self.grads: Tree = None

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
