"""Forward passes through the parameters that their gradients will meet."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from akkordeon_dask.errors import SpecError
from akkordeon_dask.memory import empty_like
from akkordeon_dask.optim._array_optimizer import ArrayOptimizer
from akkordeon_dask.optim._optimizer import State
from akkordeon_dask.optim._wrapper import Wrapper, added, nested, with_added, with_zeros, without_added
from akkordeon_dask.tree import Array, Tree, leaves, rebuild

__all__ = ["Prediction", "WeightPrediction"]

Prediction: TypeAlias = Literal["linear", "geometric", "last-update"]


@dataclass(frozen=True, repr=False)
class WeightPrediction(Wrapper):
    """Any optimizer, with forward passes that use the parameters predicted for the time of the batch's update.

    A batch's gradient arrives after `d` further updates, the mean of the measured delays. Its forward pass, and so its
    gradient, uses `w - lr * n * direction`, with the optimizer's present direction: `v` of `SGD`, `m_hat / (sqrt(v_hat)
    + eps)` of `Adam`. With `"linear"` `n = d`: coming gradients keep the momentum as it is. With `"geometric"`
    `n = k + k**2 + ... + k**d = (k - k**(d + 1)) / (1 - k)` for a momentum of `k`: coming gradients are 0. With
    `"last-update"` it uses `w + d * (w - w_before)`, which any optimizer has. The gradient is applied to `w` itself.
    While all gradients are in time this is the `optimizer` alone, bit for bit.

    Linear: Chen, Yang, Cheng, 'Efficient and Robust Parallel DNN Training through Model Parallelism on Multi-GPU
    Platform', arXiv 1809.02839, 2018 (SpecTrain), and Guan, Yin, Li, Lu, 'XPipe: Efficient Pipeline Model Parallelism
    for Multi-GPU DNN Training', arXiv 1911.04610, 2019 (for Adam). Geometric: the `msnag` of FTPipe
    (github.com/saareliad/FTPipe), which uses the coming learning rates and bias corrections; here are the present ones.

    Parameters
    ----------
    optimizer
        that makes the update; an `SGD` with momentum or an `Adam`, unless the rule is `"last-update"`.
    rule
        of the prediction: `"linear"`, `"geometric"` or `"last-update"`, as above.

    Raises
    ------
    SpecError
        when `optimizer` lacks the momentum of the rule, predicts itself or is none, or the rule is none of these.

    Examples
    --------
    >>> from akkordeon_dask import optim
    >>> optim.WeightPrediction(optim.SGD(0.1, momentum=0.9))
    optim.WeightPrediction(optim.SGD(0.1, momentum=0.9))
    """

    rule: Prediction = "geometric"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rule not in get_args(Prediction):
            raise SpecError(f"{self!r}: rule is one of {', '.join(get_args(Prediction))}, not {self.rule!r}")
        inner = self.optimizer
        if any(isinstance(one, WeightPrediction) for one in nested(inner)):
            raise SpecError(f"{self!r}: {inner!r} predicts the parameters itself: give one prediction")
        if self.rule != "last-update" and not (isinstance(inner, ArrayOptimizer) and inner.kept):
            raise SpecError(
                f"{self!r}: {inner!r} has no momentum that says where it goes: give an optim.SGD with momentum "
                'or an optim.Adam, or write rule="last-update"'
            )

    @property
    def state_format(self) -> str:
        return super().state_format if self.rule == "last-update" else self.optimizer.state_format

    def init(self, params: Tree) -> State:
        state = super().init(params)
        return with_zeros(state, params) if self.rule == "last-update" else state

    def update(self, grads: Tree, state: State, params: Tree, *, stale_params: Tree) -> tuple[Tree, State]:
        new, inner = super().update(grads, self._inner(state), params, stale_params=stale_params)
        if self.rule != "last-update":
            return new, inner
        pairs = zip(leaves(new, statistics=False), leaves(params, statistics=False), strict=True)
        return new, with_added(inner, [np.subtract(after, w, out=empty_like(w)) for after, w in pairs])

    def rated_params(self, params: Tree, state: State) -> Tree:
        return super().rated_params(params, self._inner(state))

    def predicted_params(self, params: Tree, state: State) -> Tree:
        delay = state.mean_delay
        if not delay or not state.count:
            return params
        if self.rule == "last-update":
            moved = [
                _ahead(w, step, delay) for w, step in zip(leaves(params, statistics=False), added(state), strict=True)
            ]
        else:
            moved = self._along_momentum(params, state, delay)
        return rebuild(params, iter(moved), statistics=False)

    def _along_momentum(self, params: Tree, state: State, delay: float) -> list[Array]:
        inner = self.optimizer
        assert isinstance(inner, ArrayOptimizer)
        kept = inner.kept
        steps = delay if self.rule == "linear" else (kept - kept ** (delay + 1)) / (1 - kept)
        factor = -inner.learning_rate(state) * steps
        moved = []
        for w, slots in zip(leaves(params, statistics=False), state.slots, strict=True):
            direction = inner.direction(slots, state.count)
            moved.append(w if direction is None else _ahead(w, direction, factor))
        return moved

    def _inner(self, state: State) -> State:
        return without_added(state) if self.rule == "last-update" else state


def _ahead(w: Array, direction: Array, factor: float) -> Array:
    moved = np.multiply(direction, factor, out=empty_like(w))
    moved += w
    return moved
