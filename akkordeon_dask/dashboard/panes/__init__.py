"""The panes of the page."""
