"""A network as a table in HTML, for notebooks."""

from collections.abc import Mapping, Sequence

from akkordeon_dask._html import html_table
from akkordeon_dask.network._beside import Beside

__all__ = ["network_html", "request_text"]

_COLUMNS = ("gate", "layers", "optimizer", "workers", "parameters", "output shape")


def network_html(rows: Sequence[Sequence[str]], total: str, input_shape: str) -> str:
    """A table with a row for each gate, below the network's parameters and input."""
    title = f"<b>Network</b>: {len(rows)} gates, {total} parameters, takes {input_shape}"
    return f"<div>{title}\n{html_table(_COLUMNS, rows, ('parameters',))}</div>"


def request_text(workers: str | Beside | None, resources: Mapping[str, float]) -> str:
    """The worker and the resources that a gate requests: `alice, GPU 1`."""
    parts = [] if workers is None else [str(workers)]
    parts += [f"{name} {amount:g}" for name, amount in resources.items()]
    return ", ".join(parts) or "any"
