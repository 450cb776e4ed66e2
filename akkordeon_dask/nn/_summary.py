"""A chain as a table of its layers."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from akkordeon_dask._repr import shape_text
from akkordeon_dask.nn._layer import Layer, Shape
from akkordeon_dask.nn._shapes import asked, is_full, merged

__all__ = ["summarise"]

_HEADER = ("position", "layer", "output shape", "parameters", "multiply-adds")
_TEXTS = 3  # columns on the left, aligned left; the others are numbers
_WIDEST = 48


class _Row(NamedTuple):
    position: str
    layer: str
    shape: Shape | None
    parameters: int
    multiply_adds: int
    open: bool
    """Some multiply-adds depend on an unknown extent and are not counted."""

    def cells(self) -> tuple[str, ...]:
        """The text of each column."""
        return self.position, self.layer, shape_text(self.shape), f"{self.parameters:,}", self._cost()

    def _cost(self) -> str:
        if not self.open:
            return f"{self.multiply_adds:,}"
        return f"{self.multiply_adds:,} + ?" if self.multiply_adds else "?"


def summarise(chain: Layer, shape: Shape | None, names: Sequence[str] | None) -> str:
    """The table of `Chain.summary`."""
    shape = merged(shape, chain.input_shape)
    behind = chain.output_shape(shape)
    rows = list(_rows(chain._parts(), shape, names, ""))
    costs_are_open = any(row.open for row in rows)
    total = _Row("total", "", behind, chain.parameter_count, chain.multiply_adds(shape), costs_are_open)
    return _table([_HEADER, *(row.cells() for row in (*rows, total))])


def _rows(layers: Sequence[Layer], shape: Shape | None, names: Sequence[str] | None, above: str) -> Iterator[_Row]:
    for position, layer in enumerate(layers):
        path = above + (names[position] if names else str(position))
        shape = merged(shape, layer.input_shape)
        inner = list(_rows(layer._parts(), shape, None, f"{path}.")) if _is_chain(layer) else []
        cost = asked(layer.multiply_adds, shape, 0)
        is_open = any(row.open for row in inner) if inner else not is_full(shape) and cost == 0
        shape = asked(layer.output_shape, shape, None)
        yield _Row(path, _short(layer), shape, layer.parameter_count, cost, is_open)
        yield from (row._replace(layer=f"  {row.layer}") for row in inner)


def _is_chain(layer: Layer) -> bool:
    return layer._parts()[0] is not layer


def _short(layer: Layer) -> str:
    if _is_chain(layer):  # whose layers follow
        return f"{len(layer._parts())} layer{'s' * (len(layer._parts()) > 1)}"
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
