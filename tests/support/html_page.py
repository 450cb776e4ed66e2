"""An HTML file, read by its tags."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """A page as a browser reads it: all tags with their attributes, and the text outside of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        """The texts of the cells of each row of the tables."""
        self._open: list[str] = []
        self.feed(text)
        self.close()

    @property
    def text(self) -> str:
        """All text that is shown."""
        return " ".join(self.texts)

    @property
    def names(self) -> set[str]:
        """The names of the tags."""
        return {name for name, _ in self.tags}

    @property
    def resources(self) -> list[str]:
        """The addresses that a browser would fetch or could follow."""
        keys = ("src", "href", "data", "action")
        return [value for _, attributes in self.tags for key, value in attributes.items() if key in keys and value]

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self._open):
            self.texts.append(data)
            if {"td", "th"} & set(self._open):
                self.rows[-1][-1] += data
