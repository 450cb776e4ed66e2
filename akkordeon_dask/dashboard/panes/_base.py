"""A part of the page."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from akkordeon_dask.telemetry._network import NetworkTelemetry

__all__ = ["Pane"]


class Pane(ABC):
    """A figure or a table, and what fills it. Belongs to one document; used with that document's lock."""

    root: Any
    """What is put into the document: a bokeh model."""
    title: str

    @abstractmethod
    def show(self, record: NetworkTelemetry | None) -> None:
        """Show what is known of a network now; None: there is none."""

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """New glyphs are made in here: the document goes through all its models once, not again for each of them."""
        document = self.root.document
        if document is None:
            yield
        else:
            with document.models.freeze():
                yield
