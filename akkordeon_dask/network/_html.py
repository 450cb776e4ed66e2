"""A network as a table in HTML, for notebooks."""

from collections.abc import Sequence

from akkordeon_dask._html import html_table
from akkordeon_dask._repr import shape_text
from akkordeon_dask.network._gate import Gate
from akkordeon_dask.nn import Shape

__all__ = ["network_html"]

_COLUMNS = ("gate", "layers", "optimizer", "workers", "parameters", "output shape")


def network_html(gates: Sequence[tuple[str, Gate, Shape | None]], input_shape: Shape | None) -> str:
    """A row for each gate: its name, the gate as it was written, its trained numbers and its output shape."""
    rows = [
        (name, repr(gate.layers), repr(gate.optimizer), _request(gate), f"{gate.parameter_count:,}", shape_text(shape))
        for name, gate, shape in gates
    ]
    total = sum(gate.parameter_count for _, gate, _ in gates)
    title = f"<b>Network</b>: {len(gates)} gates, {total:,} parameters, takes {shape_text(input_shape)}"
    return f"<div>{title}\n{html_table(_COLUMNS, rows, ('parameters',))}</div>"


def _request(gate: Gate) -> str:
    parts = [] if gate.workers is None else [str(gate.workers)]
    parts += [f"{name} {number:g}" for name, number in gate.resources.items()]
    return ", ".join(parts) or "any"
