"""Tables for notebooks and reports."""

import html
from collections.abc import Collection, Iterable, Sequence

__all__ = ["html_table"]

_LEFT = ' style="text-align: left"'


def html_table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Collection[str] = ()) -> str:
    """A table in HTML. Cells are shown as text, whatever is in them.

    Parameters
    ----------
    columns
        the titles.
    rows
        a cell for each column.
    numbers
        the titles of columns that are aligned right.
    """
    styles = [' style="text-align: right"' if column in numbers else _LEFT for column in columns]
    head = _cells("th", columns, styles)
    body = "\n".join(f"<tr>{_cells('td', row, styles)}</tr>" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _cells(tag: str, texts: Sequence[str], styles: Sequence[str]) -> str:
    pairs = zip(texts, styles, strict=True)
    return "".join(f"<{tag}{style}>{html.escape(text)}</{tag}>" for text, style in pairs)
