"""The panes of the page."""

__all__: list[str] = []
