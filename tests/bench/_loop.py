"""The peer: a plain numpy loop over the same network, as a careful user would write it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from dask.system import CPU_COUNT
from threadpoolctl import threadpool_limits

MEAN, STD = np.float32(33.3), np.float32(78.6)


class Epochs:
    """A sequential loop over all samples; all BLAS threads."""

    x: np.ndarray
    batch_size: int
    rng: np.random.Generator

    def run(self, seconds: float) -> float:
        """Samples a second, over at least so many seconds."""
        with threadpool_limits(CPU_COUNT, user_api="blas"):
            done, begun = 0, time.perf_counter()
            while (elapsed := time.perf_counter() - begun) < seconds:
                index = next(self.indices)
                self.step(index)
                done += len(index)
            return done / elapsed

    @cached_property
    def indices(self) -> Iterator[np.ndarray]:
        """Of all samples in a new order each epoch, batch by batch, without end."""
        while True:
            order = self.rng.permutation(len(self.x))
            for start in range(0, len(order), self.batch_size):
                yield order[start : start + self.batch_size]

    def step(self, index: np.ndarray) -> None:
        """One batch."""
        raise NotImplementedError


@dataclass
class Loop(Epochs):
    """Trains a dense network: float32, bias and ReLU in place, no gradient by the input, all BLAS threads.

    Parameters
    ----------
    x, y
        all samples, uint8 and integer labels; every epoch gathers them in a new order, as the sentinel does.
    sizes
        of the layers, input first.
    batch_size
        samples.
    lr
        learning rate.
    compensated
        compute DC-ASGD-a's update too.
    """

    x: np.ndarray
    y: np.ndarray
    sizes: tuple[int, ...]
    batch_size: int
    lr: float = 0.05
    compensated: bool = False

    def __post_init__(self) -> None:
        rng = np.random.default_rng(0)
        pairs = list(zip(self.sizes, self.sizes[1:], strict=False))
        self.w = [(rng.standard_normal(pair) * np.sqrt(2 / pair[0])).astype(np.float32) for pair in pairs]
        self.b = [np.zeros(n, np.float32) for _, n in pairs]
        self.dw = [np.empty_like(w) for w in self.w]
        everything = (*self.w, *self.b)
        self.ms, self.rate, self.square = ([np.zeros_like(p) for p in everything] for _ in range(3))
        self.stale = [p.copy() for p in everything]
        self.inputs = np.empty((self.batch_size, self.sizes[0]), np.float32)
        self.acts = [np.empty((self.batch_size, n), np.float32) for n in self.sizes[1:]]
        self.grads = [np.empty((self.batch_size, n), np.float32) for n in self.sizes[1:]]
        self.rng = rng

    def step(self, index: np.ndarray) -> None:
        """One batch."""
        n, last = len(index), len(self.w) - 1
        inputs = self.inputs[:n]
        np.copyto(inputs, self.x.take(index, axis=0, mode="clip"))
        inputs -= MEAN
        inputs *= 1 / STD
        target = self.y[index]
        acts = [inputs, *(act[:n] for act in self.acts)]
        for k, (w, b) in enumerate(zip(self.w, self.b, strict=True)):
            y = np.matmul(acts[k], w, out=acts[k + 1])
            y += b
            if k < last:
                np.maximum(y, 0, out=y)
        g = self.loss(acts[-1], target)
        for k in range(last, -1, -1):
            dw, db = np.matmul(acts[k].T, g, out=self.dw[k]), g.sum(axis=0)
            if k:
                below = np.matmul(g, self.w[k].T, out=self.grads[k - 1][:n])
                below *= acts[k] > 0
            self.update(k, dw, db)
            if k:
                g = below

    def loss(self, y: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Softmax cross entropy in place: its gradient; loss and accuracy are computed, as the sentinel does."""
        rows = np.arange(len(y))
        self.correct = float(np.mean(y.argmax(axis=1) == target))
        y -= y.max(axis=1, keepdims=True)
        picked = y[rows, target]
        np.exp(y, out=y)
        total = y.sum(axis=1, keepdims=True)
        self.last_loss = float(np.mean(np.log(total[:, 0]) - picked))
        y /= total
        y[rows, target] -= 1
        y *= np.float32(1 / len(y))
        return y

    def update(self, k: int, dw: np.ndarray, db: np.ndarray) -> None:
        """The optimizer, in place."""
        for place, p, g in ((k, self.w[k], dw), (len(self.w) + k, self.b[k], db)):
            if self.compensated:
                self.compensate(place, p, g)
            np.multiply(g, np.float32(self.lr), out=g)
            np.subtract(p, g, out=p)

    def compensate(self, place: int, p: np.ndarray, g: np.ndarray) -> None:
        """DC-ASGD-a's correction of the gradient, in place, with the parameters of a step ago as the stale ones."""
        ms, stale, rate, square = self.ms[place], self.stale[place], self.rate[place], self.square[place]
        np.multiply(g, g, out=square)
        ms *= np.float32(0.95)
        np.multiply(square, np.float32(0.05), out=rate)
        ms += rate
        np.add(ms, np.float32(1e-7), out=rate)
        np.sqrt(rate, out=rate)
        np.divide(np.float32(2.0), rate, out=rate)
        rate *= square
        np.subtract(p, stale, out=square)
        rate *= square
        np.copyto(stale, p)
        g += rate
