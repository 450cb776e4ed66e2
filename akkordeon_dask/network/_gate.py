"""The spec of a gate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from akkordeon_dask._numbers import check_int
from akkordeon_dask._repr import Written
from akkordeon_dask.errors import SpecError
from akkordeon_dask.network._beside import Beside
from akkordeon_dask.network._checks import check_text, check_workers
from akkordeon_dask.network._resources import Resources
from akkordeon_dask.nn import Chain, Key, Layer, Shape
from akkordeon_dask.optim import Optimizer
from akkordeon_dask.tree import Tree, size

if TYPE_CHECKING:
    from akkordeon_dask.network._network import Network

__all__ = ["Gate"]

BackwardPolicy = Literal["stashed", "latest"]
StalePolicy = Literal["drop", "damp"]


@dataclass(frozen=True, repr=False)
class Gate(Written):
    """A piece of a network with its own optimizer: one actor, with one thread, on one worker.

    Parameters
    ----------
    layers
        what the gate computes: a layer, or layers joined by `>>`.
    optimizer
        makes the gate's next parameters.
    workers
        where the gate shall be: a worker's name, address or host; `beside("g0")`: where gate g0 is; None: where
        there is room.
    name
        the gate's name, unique in its network; None: `g0`, `g1`, ... by its place.
    backward
        `"stashed"`: a batch keeps the parameters of its forward pass (Harlap et al.,
        'PipeDream: Fast and Efficient Pipeline Parallel DNN Training', arXiv 1806.03377, 2018);
        `"latest"`: its backward pass uses the newest ones.
    max_delay
        updates that a gradient may be late; None: no bound.
    on_stale
        what happens to a later one: `"drop"` it, or `"damp"` it by `max_delay / delay`.
    dtype
        of the parameters, `"float32"` or `"float64"`.
    resources
        what the gate takes of its worker for as long as it lives, `{"GPU": 1}` of `dask worker --resources "GPU=2"`.
        Gates of all networks on a cluster share what a worker has; Dask's own tasks are not counted. Stored frozen.

    Raises
    ------
    SpecError
        when the gate cannot work as written.
    """

    layers: Layer
    optimizer: Optimizer
    workers: str | Beside | None = None
    name: str | None = None
    backward: BackwardPolicy = "stashed"
    max_delay: int | None = None
    on_stale: StalePolicy = "drop"
    dtype: str = "float32"
    resources: Mapping[str, float] = Resources()

    def __post_init__(self) -> None:
        if not isinstance(self.layers, Layer):
            raise SpecError(f"a gate's layers are an nn.Layer or layers joined by >>, not {self.layers!r}")
        if not isinstance(self.optimizer, Optimizer):
            raise SpecError(f"a gate's optimizer is one of optim, e.g. optim.SGD(0.1), not {self.optimizer!r}")
        for label, value, known in (
            ("backward", self.backward, get_args(BackwardPolicy)),
            ("on_stale", self.on_stale, get_args(StalePolicy)),
            ("dtype", self.dtype, ("float32", "float64")),
        ):
            if value not in known:
                raise SpecError(f"a gate's {label} is one of {', '.join(known)}, not {value!r}")
        if self.max_delay is not None:
            object.__setattr__(self, "max_delay", check_int("a gate's max_delay", self.max_delay, 0))
        check_text("a gate's name", self.name, "a word without a dot")
        if self.name is not None and "." in self.name:
            raise SpecError(f"a gate's name is a word without a dot, not {self.name!r}")
        check_workers("a gate's workers", self.workers)
        object.__setattr__(self, "resources", Resources.of(self.resources, "a gate"))

    @property
    def chain(self) -> Chain:
        """The layers as a chain."""
        return self.layers if isinstance(self.layers, Chain) else Chain([self.layers])

    @property
    def parameter_count(self) -> int:
        """How many numbers training adjusts."""
        return size(self.init(Key((0,))), statistics=False)

    def init(self, key: Key) -> Tree:
        """New parameters, a pure function of the key."""
        return self.chain.init(key.generator(), np.dtype(self.dtype))

    def multiply_adds(self, shape: Shape | None = None) -> int:
        """Multiply-adds of a forward pass for one sample: the gate's share of the cost."""
        return self.chain.multiply_adds(shape)

    def __or__(self, other: "Gate | Network") -> "Network":
        """`a | b`: what a gives is sent to b."""
        from akkordeon_dask.network._network import Network

        return Network([self]) | other
