"""The spec of a gate."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from akkordeon_dask._foreign import instead
from akkordeon_dask._numbers import check_count, check_int
from akkordeon_dask._repr import Written
from akkordeon_dask.errors import SpecError
from akkordeon_dask.messages import WireFormat
from akkordeon_dask.network._beside import Beside
from akkordeon_dask.network._checks import check_text, check_workers
from akkordeon_dask.network._resources import Resources
from akkordeon_dask.nn import Chain, Key, Layer, Shape
from akkordeon_dask.optim import Optimizer
from akkordeon_dask.tree import Tree

if TYPE_CHECKING:
    from akkordeon_dask.network._network import Network

__all__ = ["Gate"]

BackwardPolicy = Literal["stashed", "latest"]
StalePolicy = Literal["drop", "damp", "wait"]
_LATE = ("backward", "max_delay", "on_stale", "accumulate")
"""Fields that act on late gradients, or on how late they are."""


@dataclass(frozen=True, repr=False)
class Gate(Written):
    """A piece of a network with its own optimizer: one actor on one worker.

    Parameters
    ----------
    layers
        of the gate: a layer, or layers joined by `>>`.
    optimizer
        computes the gate's next parameters.
    workers
        the worker of the gate: a name, address or host; `beside("g0")`: that of gate g0; None: any that has room.
    name
        the gate's name, unique in its network; None: `g0`, `g1`, ... by its position.
    backward
        `"stashed"`: a batch keeps the parameters of its forward pass (Harlap et al.,
        'PipeDream: Fast and Efficient Pipeline Parallel DNN Training', arXiv 1806.03377, 2018);
        `"latest"`: its backward pass uses the newest ones.
    max_delay
        updates that a gradient may be late; None: no bound.
    on_stale
        with a later one: `"drop"` it (Maranjyan, Tyurin, Richtárik, 'Ringmaster ASGD: The First Asynchronous SGD with
        Optimal Time Complexity', arXiv 2501.16168, 2025), or `"damp"` it by `max_delay / delay`. `"wait"`: there is
        none, for a batch waits in front of the gate, and its sentinel with it, as long as it could make one.
    accumulate
        batches whose gradients make one update, by their mean over samples. With at least as many as all sentinels have
        in flight, no gradient is more than one update late and two versions are held (Narayanan et al.,
        'Memory-Efficient Pipeline-Parallel DNN Training', arXiv 2006.09503, 2020). Batches count on in the next pass,
        and are kept by snapshots: those of an update that is still to come change no parameters yet.
    dtype
        of the parameters, `"float32"` or `"float64"`.
    resources
        of its worker that the gate reserves until it is closed, `{"GPU": 1}` of `dask worker --resources "GPU=2"`.
        Gates of all networks on a cluster share a worker's resources; Dask's own tasks are not counted. Stored frozen.
    wire
        of the float32 arrays that the gate sends to other gates, activations and gradients: `"float16"` or `"bfloat16"`
        halve their bytes, wherever the gates are, so that the numbers do not depend on it. The receiver computes in
        float32 again. Sentinels and gates exchange float32.

    Raises
    ------
    SpecError
        when the gate cannot work as written.

    Examples
    --------
    >>> from akkordeon_dask import Gate, nn, optim
    >>> Gate(nn.Linear(4, 3) >> nn.ReLU(), optim.SGD(0.1), workers="alice").parameter_count
    15
    """

    layers: Layer
    optimizer: Optimizer
    workers: str | Beside | None = None
    name: str | None = None
    backward: BackwardPolicy = "stashed"
    max_delay: int | None = None
    on_stale: StalePolicy = "drop"
    accumulate: int = 1
    dtype: str = "float32"
    resources: Mapping[str, float] = Resources()
    wire: WireFormat | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.layers, Layer):
            remedy = instead(self.layers)
            raise SpecError(f"a gate's layers are an nn.Layer or layers joined by >>, not {self.layers!r}{remedy}")
        if not isinstance(self.optimizer, Optimizer):
            remedy = instead(self.optimizer)
            raise SpecError(f"a gate's optimizer is one of optim, e.g. optim.SGD(0.1), not {self.optimizer!r}{remedy}")
        for label, value, known in (
            ("backward", self.backward, get_args(BackwardPolicy)),
            ("on_stale", self.on_stale, get_args(StalePolicy)),
            ("dtype", self.dtype, ("float32", "float64")),
        ):
            if value not in known:
                raise SpecError(f"a gate's {label} is one of {', '.join(known)}, not {value!r}")
        if self.wire is not None and self.wire not in get_args(WireFormat):
            raise SpecError(f"a gate's wire is one of {', '.join(get_args(WireFormat))} or None, not {self.wire!r}")
        if self.wire is not None and self.dtype != "float32":
            raise SpecError(
                f"a gate of {self.dtype} sends {self.dtype}: wire={self.wire!r} halves float32; leave it out"
            )
        if self.max_delay is not None:
            object.__setattr__(self, "max_delay", check_int("a gate's max_delay", self.max_delay, 0))
        elif self.on_stale == "wait":
            raise SpecError("a gate with on_stale='wait' has a bound to wait for: add max_delay, e.g. max_delay=4")
        object.__setattr__(self, "accumulate", check_count("a gate's accumulate", self.accumulate))
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
        """The number of trained numbers."""
        return self.chain.parameter_count

    @property
    def policy(self) -> str:
        """The optimizer, and the options that say what a late gradient does, as they are written.

        Examples
        --------
        >>> from akkordeon_dask import Gate, nn, optim
        >>> Gate(nn.Linear(4, 2), optim.GapAware(optim.SGD(0.1)), max_delay=8).policy
        'optim.GapAware(optim.SGD(0.1)), max_delay=8'
        """
        options = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        late = (f"{name}={options[name][0]!r}" for name in _LATE if options[name][0] != options[name][1])
        return ", ".join((repr(self.optimizer), *late))

    def init(self, key: Key) -> Tree:
        """New parameters, a pure function of the key."""
        return self.chain.init(key.generator(), np.dtype(self.dtype))

    def multiply_adds(self, shape: Shape | None = None) -> int:
        """Multiply-adds of a forward pass for one sample: the gate's share of the cost."""
        return self.chain.multiply_adds(shape)

    def __or__(self, other: "Gate | Network") -> "Network":
        """`a | b`: the output of a is sent to b."""
        from akkordeon_dask.network._network import Network  # a gate makes a network: the one import that points up

        return Network([self]) | other
