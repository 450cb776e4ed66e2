"""The spec of a network."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np

from akkordeon_dask._numbers import check_int
from akkordeon_dask._repr import check_shape, shape_text
from akkordeon_dask.errors import NameConflictError, ShapeError, SpecError
from akkordeon_dask.network._beside import Beside
from akkordeon_dask.network._gate import Gate
from akkordeon_dask.network._html import network_html, request_text
from akkordeon_dask.nn import Chain, Key, Shape
from akkordeon_dask.tree import Tree

__all__ = ["Network"]


@dataclass(frozen=True, repr=False, init=False)
class Network(Sequence[Gate]):
    """An open sequence of gates. Written `a | b | c`, or `Network([a, b, c])`.

    A frozen value: it compares, hashes, pickles, slices and prints in the notation it was written in.

    Parameters
    ----------
    gates
        at least one gate.

    Raises
    ------
    ShapeError
        when a gate cannot take the output of the one before it.
    NameConflictError
        when two gates have one name.
    SpecError
        when named gates are to be beside one another in a circle.

    Examples
    --------
    >>> from akkordeon_dask import Gate, nn, optim
    >>> network = Gate(nn.Linear(4, 3), optim.SGD(0.1)) | Gate(nn.Linear(3, 2), optim.SGD(0.1), name="head")
    >>> network.names, network.output_shape((4,)), network[1:]
    (('g0', 'head'), (2,), Network([Gate(nn.Linear(3, 2), optim.SGD(0.1), name='head')]))
    """

    gates: tuple[Gate, ...]

    def __init__(self, gates: Iterable[Gate]) -> None:
        gates = tuple(gates)
        for gate in gates:
            if not isinstance(gate, Gate):
                raise SpecError(f"a Network holds gates, not {gate!r}: write Gate(layers, optimizer)")
        if not gates:
            raise SpecError("an empty Network does nothing: give it at least one gate")
        object.__setattr__(self, "gates", gates)
        self._check_names()
        self._check_circles()
        self.output_shape(None)

    @property
    def names(self) -> tuple[str, ...]:
        """The gates' names, front to back."""
        return tuple(gate.name or f"g{position}" for position, gate in enumerate(self.gates))

    @property
    def parameter_count(self) -> int:
        """The number of trained numbers."""
        return sum(gate.parameter_count for gate in self.gates)

    def init(self, seed: int) -> dict[str, Tree]:
        """New parameters for every gate, by name: a pure function of seed, gate's name and layers.

        Raises
        ------
        SpecError
            when the seed is not a whole number.
        """
        key = Key((check_int("seed", seed),))
        return {name: gate.init(key.fold(name, "init")) for name, gate in zip(self.names, self.gates, strict=True)}

    @property
    def input_shape(self) -> Shape | None:
        """The shape of a sample that the network takes; None for an extent, or for all of it, that may be any."""
        return self.gates[0].chain.input_shape

    def output_shape(self, shape: Shape | None) -> Shape | None:
        """The shape of the network's output for samples of `shape` (None: not known).

        Raises
        ------
        ShapeError
            naming the gates that do not fit.
        """
        for position, gate in enumerate(self.gates):
            try:
                shape = gate.chain.output_shape(shape)
            except ShapeError as error:
                remedy = "; give one row for each sample, for a single one x[np.newaxis]" if shape == () else ""
                raise ShapeError(f"{self._misfit(position, shape)}: {error}{remedy}") from None
        return shape

    def _misfit(self, position: int, given: Shape | None) -> str:
        name, takes = self.names[position], self.gates[position].chain.input_shape
        if position == 0:
            return f"gate {name!r} cannot work on {'these samples' if given is None else _said(given)}"
        wants = f"takes {_said(takes)}" if takes is not None else "cannot follow"
        gives = shape_text(given[0]) if takes and given and len(takes) == len(given) == 1 else _said(given)
        return f"gate {name!r} {wants}, gate {self.names[position - 1]!r} gives {gives}"

    def check_input(self, shape: Shape | None, dtype: np.dtype[Any] | None) -> None:
        """Check that the network takes samples of this shape and dtype; None is not checked.

        Raises
        ------
        ShapeError
            when they cannot.
        """
        self.output_shape(shape)
        if dtype is not None:
            for name, gate in zip(self.names, self.gates, strict=True):
                try:
                    dtype = gate.chain.output_dtype(dtype)
                except ShapeError as error:
                    raise ShapeError(f"gate {name!r} cannot work on samples of {dtype}: {error}") from None

    def multiply_adds(self) -> tuple[int, ...]:
        """For every gate the multiply-adds of a forward pass for one sample."""
        costs, shape = [], self.input_shape
        for gate in self.gates:
            costs.append(gate.multiply_adds(shape))
            shape = gate.chain.output_shape(shape)
        return tuple(costs)

    def summary(self, shape: Shape | None = None) -> str:
        """A table of the gates with their layers: output shapes, trained numbers and multiply-adds a sample.

        Parameters
        ----------
        shape
            of a sample; None: the network's own `input_shape`. An entry that depends on an unknown extent is `?`.

        Raises
        ------
        ShapeError
            naming the gates that do not fit.
        SpecError
            when `shape` is not a shape.
        """
        shape = check_shape(shape)
        self.output_shape(shape)
        return Chain(gate.chain for gate in self.gates).summary(shape, names=self.names)

    def named(self) -> "Network":
        """The same network with every gate's name written out."""
        return Network(replace(gate, name=name) for name, gate in zip(self.names, self.gates, strict=True))

    def __or__(self, other: "Gate | Network") -> "Network":
        if isinstance(other, Gate):
            return Network([*self.gates, other])
        if isinstance(other, Network):
            return Network([*self.gates, *other.gates])
        return NotImplemented

    def __len__(self) -> int:
        return len(self.gates)

    @overload
    def __getitem__(self, index: int) -> Gate: ...
    @overload
    def __getitem__(self, index: slice) -> "Network": ...
    def __getitem__(self, index: int | slice) -> "Gate | Network":
        return Network(self.gates[index]) if isinstance(index, slice) else self.gates[index]

    def __repr__(self) -> str:
        inner = [repr(gate) for gate in self.gates]
        return " | ".join(inner) if len(inner) > 1 else f"Network([{inner[0]}])"

    def _repr_html_(self) -> str:
        rows, shape = [], self.input_shape
        for name, gate in zip(self.names, self.gates, strict=True):
            shape = gate.chain.output_shape(shape)
            written = repr(gate.layers), repr(gate.optimizer), request_text(gate.workers, gate.resources)
            rows.append((name, *written, f"{gate.parameter_count:,}", shape_text(shape)))
        return network_html(rows, f"{self.parameter_count:,}", shape_text(self.input_shape))

    def _check_names(self) -> None:
        seen: dict[str, int] = {}
        for position, name in enumerate(self.names):
            if name in seen:
                raise NameConflictError(
                    f"gates {seen[name]} and {position} are both named {name!r}: rename one by name="
                )
            seen[name] = position

    def _check_circles(self) -> None:
        """No gate is beside itself, as far as gates have names of their own: others are named by their position."""
        beside = {gate.name: gate.workers.gate for gate in self.gates if gate.name and isinstance(gate.workers, Beside)}
        for name in beside:
            path = [name]
            while path[-1] in beside and path[-1] not in path[:-1]:
                path.append(beside[path[-1]])
            if path[-1] == name:
                circle = " beside ".join(map(repr, path))
                raise SpecError(f"gates are beside one another in a circle: {circle}: give one of them another worker")


def _said(shape: Shape | None) -> str:
    if shape is None:
        return "something unknown"
    return f"{shape_text(shape[0])} features" if len(shape) == 1 else f"samples of shape {shape_text(shape)}"
