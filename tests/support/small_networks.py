"""Networks and data so small that an epoch takes milliseconds; importable on every worker."""

import contextlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from akkordeon_dask import Gate, Sentinel, data, nn, optim
from akkordeon_dask.tree import paths
from tests.support.patience import PATIENCE

SGD = optim.SGD(0.05)
NETWORK = Gate(nn.Linear(6, 5) >> nn.ReLU(), SGD) | Gate(nn.Linear(5, 3), SGD)
SAMPLES = 64


def three_gates(optimizer=SGD, **where):
    """784-12-9-10 for images, dropout included; `where` gives gates' workers by name."""
    return (
        Gate(nn.Scale(33.3, 78.6) >> nn.Linear(784, 12) >> nn.ReLU() >> nn.Dropout(0.2), optimizer, where.get("g0"))
        | Gate(nn.Linear(12, 9) >> nn.Tanh(), optimizer, where.get("g1"))
        | Gate(nn.Linear(9, 10), optimizer, where.get("g2"))
    )


def numbers(samples=SAMPLES, *, features=6, classes=3, dtype=np.float32):
    """`(x, y)` that can be learned."""
    rng = np.random.default_rng(5)
    y = rng.integers(0, classes, samples)
    x = rng.normal(size=(samples, features)) + y[:, None]
    return x.astype(dtype), y


def train(samples=SAMPLES, **options):
    """A training sentinel for `NETWORK`: four batches an epoch."""
    return Sentinel.train(data.arrays(*numbers(samples)), **{"batch_size": 16, **options})


def rating(**options):
    """A test sentinel for `NETWORK`."""
    return Sentinel.test(data.arrays(*numbers(), shuffle=False), **{"batch_size": 16, **options})


def batches():
    """An endless stream for `NETWORK`."""
    x, y = numbers(16)
    while True:
        yield x, y


def equal(a, b):
    """Two trees, or dicts of them, are the same bit for bit."""
    a, b = dict(paths(a)), dict(paths(b))
    return a.keys() == b.keys() and all(
        a[path].dtype == b[path].dtype and a[path].tobytes() == b[path].tobytes() for path in a
    )


@dataclass(frozen=True, repr=False)
class Thirteen(nn.Layer):
    """Hands on what comes, but for a sample that begins with 13."""

    way: str = "forward"

    def forward(self, params, x, *, train=False, key=None, own=False):
        if self.way == "forward":
            self._look(x)
        return x + 0, x

    def backward(self, context, dy, *, need_dx=True, own=False):
        if self.way == "backward":
            self._look(context)
        return dy + 0, {}

    def _look(self, x):
        if (x[:, 0] == 13).any():
            raise ZeroDivisionError("a sample begins with 13")


@dataclass(frozen=True, repr=False)
class Blocks(nn.Layer):
    """Hands on what comes once it is let go."""

    go = threading.Event()

    def forward(self, params, x, *, train=False, key=None, own=False):
        self.go.wait(PATIENCE)
        return x + 0, None

    def backward(self, context, dy, *, need_dx=True, own=False):
        return dy + 0, {}


@dataclass(frozen=True, repr=False)
class Broken(optim.SGD):
    """Cannot make its third update."""

    def step(self, w, g, slots, *, lr, count, stale):
        if count == 3:
            raise ZeroDivisionError("the third update")
        return super().step(w, g, slots, lr=lr, count=count, stale=stale)


@dataclass(frozen=True, repr=False)
class HeldUp(optim.SGD):
    """Makes no update before it is let go."""

    go = threading.Event()

    def step(self, w, g, slots, *, lr, count, stale):
        self.go.wait(PATIENCE)
        return super().step(w, g, slots, lr=lr, count=count, stale=stale)


@dataclass(frozen=True, repr=False)
class Witness(nn.Layer):
    """Remembers which threads it worked in."""

    mark: str

    seen = {}  # noqa: RUF012 - shared on purpose: by mark and way, the threads

    def forward(self, params, x, *, train=False, key=None, own=False):
        self.seen.setdefault((self.mark, "forward"), set()).add(threading.current_thread())
        return x + 0, None

    def backward(self, context, dy, *, need_dx=True, own=False):
        self.seen.setdefault((self.mark, "backward"), set()).add(threading.current_thread())
        return dy + 0, {}


@dataclass(frozen=True, repr=False)
class WitnessSGD(optim.SGD):
    """Remembers which threads it worked in, as `Witness` does."""

    mark: str = ""

    def update(self, grads, state, params, *, stale_params):
        Witness.seen.setdefault((self.mark, "update"), set()).add(threading.current_thread())
        return super().update(grads, state, params, stale_params=stale_params)


@dataclass(frozen=True, repr=False)
class WitnessLoss(nn.SoftmaxCrossEntropy):
    """Remembers which threads it worked in, as `Witness` does."""

    mark: str = ""

    def __call__(self, y, target, *, need_dy=True):
        Witness.seen.setdefault((self.mark, "loss"), set()).add(threading.current_thread())
        return super().__call__(y, target, need_dy=need_dy)


@dataclass(frozen=True, repr=False)
class HangsOnce(nn.Layer):
    """Hands on what comes; a process that finds the file, and nobody else, waits with one batch until it is removed."""

    file: str

    def forward(self, params, x, *, train=False, key=None, own=False):
        held = Path(f"{self.file}.held")
        with contextlib.suppress(FileNotFoundError):
            Path(self.file).rename(held)
            while held.exists():
                time.sleep(0.1)
        return x + 0, None

    def backward(self, context, dy, *, need_dx=True, own=False):
        return dy + 0, {}
