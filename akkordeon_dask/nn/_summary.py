"""A chain as a table of its layers."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from akkordeon_dask._repr import shape_text
from akkordeon_dask.nn._chain import Chain
from akkordeon_dask.nn._layer import Layer, Shape
from akkordeon_dask.nn._shapes import asked, is_full, merged
from akkordeon_dask.tree import Tree, size

__all__ = ["summarise"]

_HEADER = ("place", "layer", "output shape", "parameters", "multiply-adds")
_TEXTS = 3  # columns on the left, aligned left; the others are numbers
_WIDEST = 48


class _Row(NamedTuple):
    place: str
    layer: str
    shape: Shape | None
    parameters: int
    multiply_adds: int
    open: bool
    """There are multiply-adds that cannot be counted: they depend on a shape that is not known."""

    def cells(self) -> tuple[str, ...]:
        """What stands in the columns."""
        return self.place, self.layer, shape_text(self.shape), f"{self.parameters:,}", self._cost()

    def _cost(self) -> str:
        if not self.open:
            return f"{self.multiply_adds:,}"
        return f"{self.multiply_adds:,} + ?" if self.multiply_adds else "?"


def summarise(chain: Chain, shape: Shape | None, names: Sequence[str] | None) -> str:
    """What `Chain.summary` gives."""
    shape = merged(shape, chain.input_shape)
    behind = chain.output_shape(shape)
    params = chain.init(np.random.default_rng(0))
    rows = list(_rows(chain.layers, params, shape, names, ""))
    costs_are_open = any(row.open for row in rows)
    total = _Row("total", "", behind, size(params, statistics=False), chain.multiply_adds(shape), costs_are_open)
    return _table([_HEADER, *(row.cells() for row in (*rows, total))])


def _rows(
    layers: Sequence[Layer], params: Tree, shape: Shape | None, names: Sequence[str] | None, above: str
) -> Iterator[_Row]:
    for place, (layer, its) in enumerate(zip(layers, params, strict=True)):
        path = above + (names[place] if names else str(place))
        shape = merged(shape, layer.input_shape)
        inner = list(_rows(layer.layers, its, shape, None, f"{path}.")) if isinstance(layer, Chain) else []
        cost = asked(layer.multiply_adds, shape, 0)
        is_open = any(row.open for row in inner) if inner else not is_full(shape) and cost == 0
        shape = asked(layer.output_shape, shape, None)
        yield _Row(path, _short(layer), shape, size(its, statistics=False), cost, is_open)
        yield from (row._replace(layer=f"  {row.layer}") for row in inner)


def _short(layer: Layer) -> str:
    if isinstance(layer, Chain):  # they follow
        return f"{len(layer)} layer{'s' * (len(layer) > 1)}"
    said = repr(layer)
    return said if len(said) <= _WIDEST else f"{said[: _WIDEST - 3]}..."


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        texts = [cell.ljust(width) for cell, width in zip(row[:_TEXTS], widths, strict=False)]
        numbers = [cell.rjust(width) for cell, width in zip(row[_TEXTS:], widths[_TEXTS:], strict=True)]
        lines.append("  ".join([*texts, *numbers]))
    return "\n".join(lines)
