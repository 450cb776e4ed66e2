"""Code of a user that raises what ends threads, coroutines and programs; importable on every worker."""

import asyncio
import os
from dataclasses import dataclass

import numpy as np

from akkordeon_dask import callbacks, data, nn, optim
from akkordeon_dask.errors import (
    ClosedError,
    DeadlineError,
    NonFiniteError,
    RolledBackError,
    SchedulerLostError,
    WorkerLostError,
)

RAISED = {
    kind.__name__: kind
    for kind in (SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, asyncio.CancelledError, TimeoutError)
}
TEXT = "raised by the user's code"


class UnsendableError(ValueError):
    """Says more than a message takes, and a name of a file that is no UTF-8."""

    def __str__(self):
        return f"{TEXT}: caf\udce9.jpg{'!' * 100_000}"


OF_NETWORKS = {
    kind.__name__: kind
    for kind in (NonFiniteError, RolledBackError, SchedulerLostError, WorkerLostError, DeadlineError, ClosedError)
}
"""Of a network that the code itself trains or asks."""
_KINDS = {**RAISED, **OF_NETWORKS, "UnsendableError": UnsendableError}


@dataclass(frozen=True, repr=False)
class RaisingLayer(nn.Layer):
    """Raises `kind` in one of its methods, `way`."""

    way: str
    kind: str

    def init(self, *args, **options):
        self._do("init")
        return super().init(*args, **options)

    def forward(self, params, x, *, train=False, key=None, own=False):
        self._do("forward")
        return x + 0, None

    def backward(self, context, dy, *, need_dx=True, own=False):
        self._do("backward")
        return dy + 0, {}

    def __getstate__(self):
        return {**vars(self), "process": os.getpid()}

    def __setstate__(self, state):
        vars(self).update(state)
        if os.getpid() != state["process"]:
            self._do("unpickle")

    def _do(self, way):
        if way == self.way:
            raise _KINDS[self.kind](TEXT)


@dataclass(frozen=True, repr=False)
class RaisingSGD(optim.SGD):
    """Cannot make an update."""

    kind: str = ""

    def step(self, w, g, slots, *, lr, count, stale):
        raise _KINDS[self.kind](TEXT)


@dataclass(frozen=True, repr=False)
class RaisingLoss(nn.SoftmaxCrossEntropy):
    """Compares nothing."""

    kind: str = ""

    def __call__(self, y, target, *, need_dy=True):
        raise _KINDS[self.kind](TEXT)


@dataclass(frozen=True, repr=False)
class RaisingProvider(data.Provider):
    """Raises `kind` when it is opened, at its third batch, or when it is closed."""

    way: str
    kind: str
    blocking: bool

    def open(self):
        if self.way == "open":
            raise _KINDS[self.kind](TEXT)
        return RaisingSource(self)


class RaisingSource(data.Source):
    """Four batches of 16 samples."""

    samples, shape, dtype, labelled = 64, (6,), np.dtype("f4"), True

    def __init__(self, provider):
        self.way, self.kind, self.blocking = provider.way, provider.kind, provider.blocking

    def batches(self, epoch, batch_size):
        for number in range(4):
            if self.way == "batch" and number == 2:
                raise _KINDS[self.kind](TEXT)
            yield np.zeros((16, 6), "f4"), np.zeros(16, int)

    def close(self):
        if self.way == "close":
            raise _KINDS[self.kind](TEXT)


class RaisingCallback(callbacks.Callback):
    """Raises `kind` in one of its methods, `way`."""

    def __init__(self, way, kind):
        self._way, self._kind = way, kind

    def begin(self):
        self._do("begin")

    def check(self, figures):
        self._do("check")

    async def on_pass(self, report, training):
        self._do("on_pass")

    async def on_end(self, training):
        self._do("on_end")

    def as_function(self):
        """A plain function of a pass that raises it."""
        return lambda report: self._do(self._way)

    def _do(self, way):
        if way == self._way:
            raise _KINDS[self._kind](TEXT)
