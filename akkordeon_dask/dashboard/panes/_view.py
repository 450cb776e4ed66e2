"""The view of curves that the reader has chosen."""

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["AXES", "MOST", "Axis", "View"]

MOST = 6
"""Curves of a plot that are in front."""


class Axis(NamedTuple):
    """The quantity that curves of passes go over."""

    label: str
    """The label of its button."""
    title: str
    """The text below the plot."""
    whole: bool
    """It counts."""


AXES = {
    "epoch": Axis("passes", "pass", True),
    "elapsed": Axis("time", "time since the start (s)", False),
    "updates": Axis("updates", "updates of the network", True),
    "samples_trained": Axis("samples", "samples trained", True),
}
"""By column of a curve's points. Passes are counted by each sentinel for itself, all else for the network."""


@dataclass(frozen=True, slots=True)
class View:
    """The setting of the switches."""

    x: str = "epoch"
    """One of `AXES`."""
    log: bool = False
    """Losses on a logarithmic scale."""
    smooth: bool = False
    """A mean over the curve, which is faint then."""
    whole: bool = False
    """The first passes are in sight, however high."""
    every: bool = False
    """All curves of a plot, not only `MOST` of them."""
