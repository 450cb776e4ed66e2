"""A pass as a row of a table."""

from akkordeon_dask.messages import PassReport

__all__ = ["PASS_COLUMNS", "PASS_NUMBERS", "pass_cells", "scores_text"]

PASS_COLUMNS = ("sentinel", "mode", "pass", "loss", "scores", "samples/s", "seconds", "samples", "lost", "resent")
"""Titles of the columns."""
PASS_NUMBERS = frozenset(PASS_COLUMNS) - {"sentinel", "mode", "scores"}
"""The titles of those that hold numbers."""


def pass_cells(one: PassReport) -> tuple[str, ...]:
    """A cell for each of `PASS_COLUMNS`."""
    rate, seconds = f"{one.samples_per_s:,.0f}", f"{one.seconds:.3f}"
    counts = f"{one.samples:,}", f"{one.lost:,}", f"{one.resent:,}"
    return one.sentinel, one.mode, str(one.epoch), f"{one.loss:.6f}", scores_text(one), rate, seconds, *counts


def scores_text(one: PassReport) -> str:
    """All scores of a pass with their names."""
    return ", ".join(f"{name} {value:.4f}" for name, value in one.scores.items())
