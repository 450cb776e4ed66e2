"""A browser's copy of a document, kept by what the server sends."""

import warnings

from bokeh.core.serialization import Serialized
from bokeh.document import Document
from bokeh.models import ColumnDataSource
from bokeh.protocol import Protocol
from bokeh.util.warnings import BokehUserWarning


def served(root):
    """A document with this root, as a server has it for a browser."""
    document = Document()
    document.add_root(root)
    return document


def held(document):
    """The data of each source of a document, as text: NaN equals NaN."""
    return sorted((one.id, repr(dict(one.data))) for one in document.select({"type": ColumnDataSource}))


class Sent:
    """The messages to the browser, from now on, and how many cells each has."""

    def __init__(self, document):
        self.messages = []
        document.callbacks.on_change_dispatch_to(self)

    def _column_data_changed(self, event):
        self.messages.append(("replaced", sum(map(len, event.model.data.values()))))

    def _columns_streamed(self, event):
        self.messages.append(("streamed", sum(map(len, event.data.values()))))

    @property
    def cells(self):
        """All together."""
        return sum(count for _, count in self.messages)


class Mirror:
    """A copy of a document as it is now, changed by the messages alone."""

    def __init__(self, document):
        self.document = Document.from_json(document.to_json())
        document.models.flush_synced()
        document.callbacks.on_change_dispatch_to(self)

    def _document_patched(self, event):
        message = Protocol().create("PATCH-DOC", [event])
        with warnings.catch_warnings():
            # A new glyph is told with the figure and with the legend; the second time it is known.
            warnings.filterwarnings("ignore", "reference already known", BokehUserWarning)
            self.document.apply_json_patch(Serialized(message.content, message.buffers))
