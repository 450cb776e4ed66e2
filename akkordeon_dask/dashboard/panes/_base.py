"""A part of the page."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from akkordeon_dask.telemetry import NetworkTelemetry

__all__ = ["Pane", "columns"]


class Pane(ABC):
    """A figure or a table with its data. Belongs to one document; used with that document's lock."""

    root: Any
    """The bokeh model that goes into the document."""
    title: str

    @abstractmethod
    def show(self, network: NetworkTelemetry | None) -> None:
        """Show a network at this moment; None: there is none."""

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """A context for making glyphs: the document goes through all its models once, not again for each of them."""
        document = self.root.document
        if document is None:
            yield
        else:
            with document.models.freeze():
                yield


def columns(fields: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, list[Any]]:
    """Rows with a cell for each field, as the columns of a bokeh source."""
    cells = zip(*rows, strict=True) if rows else [()] * len(fields)
    return {field: list(column) for field, column in zip(fields, cells, strict=True)}
