"""A figure of passes for notebooks and scripts."""

from collections.abc import Iterable
from dataclasses import replace

from bokeh.plotting import figure as Figure  # noqa: N812 - it is a class

from akkordeon_dask.dashboard.panes import _learning_curves
from akkordeon_dask.dashboard.panes._view import AXES
from akkordeon_dask.errors import SpecError
from akkordeon_dask.messages import PassReport
from akkordeon_dask.telemetry import NetworkTelemetry

__all__ = ["plot_passes"]

_CURVES = {"loss": _learning_curves.loss, "scores": _learning_curves.scores}


def plot_passes(passes: Iterable[PassReport], what: str, x: str) -> Figure:
    """The curves of the page, all of them in front; see `History.plot`.

    Raises
    ------
    SpecError
        when there are no such curves, or no such axis.
    """
    for label, value, known in (("what", what, _CURVES), ("x", x, AXES)):
        if value not in known:
            raise SpecError(f"plot: {label} is one of {', '.join(map(repr, known))}, not {value!r:.80}")
    network, curves = NetworkTelemetry(""), _CURVES[what]()
    for one in passes:
        network.add_pass(one)
    curves.show(network)
    curves.view = replace(curves.view, x=x, every=True)
    curves.show(network)
    return curves.root
