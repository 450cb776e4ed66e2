"""A part of the page."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from akkordeon_dask.telemetry import NetworkTelemetry

__all__ = ["Pane"]


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
