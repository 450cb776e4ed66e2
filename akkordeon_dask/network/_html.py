"""A network as a table in HTML, for notebooks."""

from akkordeon_dask._html import html_table
from akkordeon_dask._repr import shape_text
from akkordeon_dask.network._gate import Gate
from akkordeon_dask.network._network import Network

__all__ = ["network_html"]

_COLUMNS = ("gate", "layers", "optimizer", "workers", "parameters", "output shape")


def network_html(network: Network) -> str:
    """A row for each gate: as it was written, with its trained numbers and the shape that it gives."""
    rows, shape, total = [], network.input_shape, 0
    for name, gate in zip(network.names, network, strict=True):
        count = gate.parameter_count
        shape = gate.chain.output_shape(shape)
        rows.append((name, repr(gate.layers), repr(gate.optimizer), _wish(gate), f"{count:,}", shape_text(shape)))
        total += count
    title = f"<b>Network</b>: {len(network)} gates, {total:,} parameters, takes {shape_text(network.input_shape)}"
    return f"<div>{title}\n{html_table(_COLUMNS, rows, ('parameters',))}</div>"


def _wish(gate: Gate) -> str:
    wishes = [] if gate.workers is None else [str(gate.workers)]
    wishes += [f"{name} {number:g}" for name, number in gate.resources.items()]
    return ", ".join(wishes) or "any"
