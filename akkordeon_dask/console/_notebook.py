"""An output of a notebook's cell that is replaced as the run goes on."""

import time
from collections.abc import Sequence
from importlib import import_module
from io import StringIO
from typing import Any

from rich.console import Console, RenderableType

__all__ = ["Display", "display_bundle"]

_INTERVAL, _NEWEST, _WIDTH = 0.5, 20, 110
"""Seconds between two updates, lines that are shown while it runs, and characters in a line."""
_FORMAT = '<pre style="white-space:pre;line-height:normal;font-family:monospace">{code}</pre>'


class Display:
    """One output, made with the first that is shown."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._last = -_INTERVAL

    @property
    def shown(self) -> bool:
        """Something has been shown."""
        return self._handle is not None

    @property
    def due(self) -> bool:
        """The last update is long enough ago."""
        return time.monotonic() - self._last >= _INTERVAL

    def show(self, bundle: dict[str, str]) -> None:
        """Replace the output by this bundle."""
        self._last = time.monotonic()
        if self._handle is None:
            self._handle = import_module("IPython.display").display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


def display_bundle(lines: Sequence[str], below: RenderableType, *, newest: bool = False) -> dict[str, str]:
    """Lines, or the `newest` of them, over something that rich draws: by media type."""
    earlier = max(0, len(lines) - _NEWEST) if newest else 0
    console = Console(
        file=StringIO(), record=True, width=_WIDTH, force_jupyter=False, force_terminal=True, color_system="truecolor"
    )
    if earlier:
        console.print(f"{earlier:,} earlier lines", highlight=False)
    for line in lines[earlier:]:
        console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)
    if below:
        console.print(below)
    page = console.export_html(inline_styles=True, code_format=_FORMAT, clear=False)
    return {"text/html": page, "text/plain": console.export_text()}
