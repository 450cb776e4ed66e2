"""Passes as a table of text."""

from collections.abc import Sequence

from rich.cells import cell_len

from akkordeon_dask.messages import PassReport
from akkordeon_dask.telemetry import PASS_COLUMNS, PASS_NUMBERS, pass_cells

__all__ = ["pass_table"]


def pass_table(reports: Sequence[PassReport]) -> str:
    """A line of titles, and one for each pass, as wide as they are.

    Examples
    --------
    >>> print(pass_table([PassReport("train0", "train", 1, 2.5, {"accuracy": 0.25}, 60_000, 0, 7.5, 0)]))
    sentinel  mode   pass      loss  scores           samples/s  seconds  samples  lost  resent
    train0    train     1  2.500000  accuracy 0.2500      8,000    7.500   60,000     0       0
    """
    rows = [PASS_COLUMNS, *map(pass_cells, reports)]
    rows = [tuple("".join(one if one.isprintable() else "?" for one in cell) for cell in row) for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = zip(PASS_COLUMNS, row, widths, strict=True)
    return "  ".join(_aligned(cell, width, right=title in PASS_NUMBERS) for title, cell, width in cells).rstrip()


def _aligned(cell: str, width: int, *, right: bool) -> str:
    room = " " * (width - cell_len(cell))
    return room + cell if right else cell + room
