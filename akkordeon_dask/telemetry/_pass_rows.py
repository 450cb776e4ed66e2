"""A pass as a row of a table, and one that is not finished as words."""

import math
from itertools import pairwise

from akkordeon_dask.messages import PassProgress, PassReport

__all__ = ["PASS_COLUMNS", "PASS_NUMBERS", "duration_text", "pass_cells", "progress_words", "scores_text", "share_text"]

PASS_COLUMNS = ("sentinel", "mode", "pass", "loss", "scores", "samples/s", "seconds", "samples", "lost", "resent")
"""Titles of the columns."""
PASS_NUMBERS = frozenset(PASS_COLUMNS) - {"sentinel", "mode", "scores"}
"""The titles of those that hold numbers."""
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def pass_cells(one: PassReport) -> tuple[str, ...]:
    """A cell for each of `PASS_COLUMNS`."""
    rate, seconds = f"{one.samples_per_s:,.0f}", f"{one.seconds:.3f}"
    counts = f"{one.samples:,}", f"{one.lost:,}", f"{one.resent:,}"
    return one.sentinel, one.mode, str(one.epoch), f"{one.loss:.6f}", scores_text(one), rate, seconds, *counts


def scores_text(one: PassReport) -> str:
    """All scores of a pass with their names."""
    return ", ".join(f"{name} {value:.4f}" for name, value in one.scores.items())


def progress_words(epoch: int, epochs: int | None, state: str, progress: PassProgress | None) -> list[str]:
    """The progress of a sentinel: `pass 3 of 10`, `42 %`, `loss 0.3100`, `accuracy 0.9100`, `12 s left`.

    Parameters
    ----------
    epoch, epochs
        the pass that it is in when none is open, and passes after which it rests; None: without end.
    state
        written where no pass is open.
    """
    number = epoch if progress is None else progress.epoch
    words = [f"pass {number}" if epochs is None else f"pass {number} of {epochs}"]
    if progress is None or state != "running":
        words.append(state)
    if progress is None:
        return words
    if progress.share is not None:
        words.append(share_text(progress.share))
    if not math.isnan(progress.loss):
        words += [f"loss {progress.loss:.4f}", *(f"{name} {value:.4f}" for name, value in progress.scores.items())]
    if progress.remaining is not None:
        words.append(f"{duration_text(progress.remaining)} left")
    return words


def share_text(share: float) -> str:
    """A share as `42 %`; all of it only when it is."""
    return f"{math.floor(100 * share)} %"


def duration_text(seconds: float) -> str:
    """Seconds in the two largest units: `12 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`."""
    whole = math.ceil(seconds)
    for (unit, size), (part, smaller) in pairwise(_UNITS):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {part}" if rest else "")
    return f"{whole} s"
