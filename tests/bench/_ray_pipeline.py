"""Ray as a peer: an actor for each gate, results handed from one to the next by reference, some batches in flight."""

import itertools
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from akkordeon_dask import Gate, nn
from tests.bench._rows import Row


class RayPipeline:
    """The same layers, optimizers and loss as the actors here.

    Parameters
    ----------
    row
        its network, batch size and concurrency.
    x, y
        all samples, uint8 and integer labels; the first actor gathers them, as the sentinel does.
    """

    def __init__(self, row: Row, x: np.ndarray, y: np.ndarray) -> None:
        import ray

        self._ray: Any = ray
        ray.init(include_dashboard=False, logging_level="ERROR", log_to_driver=False)
        actor, network = ray.remote(num_cpus=0)(_Stage), row.network
        data = ray.put(x), ray.put(y)
        params = network.init(0).values()
        self._stages = [actor.remote(gate, params, *data) for gate, params in zip(network, params, strict=True)]
        self._orders = _orders(len(x), row.batch_size)
        self._concurrency = row.concurrency
        self._numbers = itertools.count()

    def run(self, seconds: float) -> float:
        """Samples a second, over at least so many seconds; it begins and ends with no batch in flight."""
        flying: dict[Any, int] = {}
        done, begun = 0, time.perf_counter()
        while flying or time.perf_counter() - begun < seconds:
            while len(flying) < self._concurrency and time.perf_counter() - begun < seconds:
                index = next(self._orders)
                flying[self._begin(index)] = len(index)
            (first,), _ = self._ray.wait(list(flying))
            self._ray.get(first)  # raises what went wrong on the way
            done += flying.pop(first)
        return done / (time.perf_counter() - begun)

    def close(self) -> None:
        """Stop Ray."""
        self._ray.shutdown()

    def _begin(self, index: np.ndarray) -> Any:
        """A batch sets out; the reference is to its end."""
        number, (first, *others) = next(self._numbers), self._stages
        y = first.gather.remote(number, index)
        for stage in others:
            y = stage.forward.remote(number, y)
        dy = self._stages[-1].loss.remote(y, index)
        for stage in reversed(others):
            dy = stage.backward.remote(number, dy, True)
        return first.backward.remote(number, dy, False)


class _Stage:
    """A gate in an actor of Ray."""

    def __init__(self, gate: Gate, params: Any, x: np.ndarray, y: np.ndarray) -> None:
        self._gate, self._params, self._state = gate, params, gate.optimizer.init(params)
        self._x, self._y, self._contexts = x, y, {}  # type: ignore[var-annotated]
        self._loss, self._accuracy = nn.SoftmaxCrossEntropy(), nn.Accuracy()

    def gather(self, number: int, index: np.ndarray) -> np.ndarray:
        return self.forward(number, self._x.take(index, axis=0, mode="clip"))

    def forward(self, number: int, x: np.ndarray) -> np.ndarray:
        y, context = self._gate.chain.forward(self._params, x, train=True, key=nn.Key((number,)))
        self._contexts[number] = context, self._params
        return y

    def loss(self, y: np.ndarray, index: np.ndarray) -> np.ndarray:
        target = self._y[index]
        if y.ndim == 2:  # the score is of rows of classes
            self.correct = self._accuracy(y, target)
        self.last_loss, dy = self._loss(y, target)
        return dy

    def backward(self, number: int, dy: np.ndarray, need_dx: bool) -> np.ndarray | None:
        context, stale = self._contexts.pop(number)
        dx, grads = self._gate.chain.backward(context, dy, need_dx=need_dx)
        optimizer, now = self._gate.optimizer, self._params
        self._params, self._state = optimizer.update(grads, self._state, now, stale_params=stale)
        return dx


def _orders(samples: int, batch_size: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    while True:
        order = rng.permutation(samples)
        yield from (order[start : start + batch_size] for start in range(0, samples, batch_size))
