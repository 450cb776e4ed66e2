"""Names of folders and files: any text is a valid series, and none leaves its folder.

A name keeps lower-case letters, digits, `_` and `-`; every other byte is escaped as `%2E`. So no two series share a
folder, not even on file systems that ignore case.
"""

import hashlib
import re
import secrets
import time
from dataclasses import dataclass
from urllib.parse import unquote

__all__ = ["DATA", "MANIFEST", "Stem", "folder_name", "series_name"]

DATA, MANIFEST = ".safetensors", ".json"

_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_-")
_LONGEST = 120
_STEM = re.compile(r"(\d+)-(\d+)-([0-9a-f]{24})")


def folder_name(series: str) -> str:
    """The folder of a series; a very long name is cut, and a checksum behind a `~` stands for the rest."""
    content = series.encode("utf-8", "surrogatepass")
    # No escape looks like this: the empty name needs a folder too.
    quoted = "".join(chr(byte) if byte in _SAFE else f"%{byte:02X}" for byte in content) or "%"
    if len(quoted) <= _LONGEST:
        return quoted
    return f"{quoted[:60]}~{hashlib.sha256(content).hexdigest()[:40]}"


def series_name(folder: str) -> str | None:
    """The series of a folder; None where the name was cut or is not a series'."""
    try:
        series = "" if folder == "%" else unquote(folder, errors="surrogatepass")
    except UnicodeDecodeError:
        return None
    return series if folder_name(series) == folder else None


@dataclass(frozen=True, slots=True, order=True)
class Stem:
    """The name of a snapshot's two files, without their endings; the newest is the highest.

    Independent writers never make the same stem: of equal numbers the one begun later is the newer.
    """

    generation: int
    number: int
    token: str
    """Nanoseconds since 1970, and random digits."""

    @classmethod
    def make(cls, generation: int, number: int) -> "Stem":
        """A stem that nobody else makes."""
        return cls(generation, number, f"{time.time_ns():016x}{secrets.token_hex(4)}")

    @classmethod
    def parse(cls, text: str) -> "Stem | None":
        """The stem of this text, or None."""
        found = _STEM.fullmatch(text)
        return cls(int(found[1]), int(found[2]), found[3]) if found else None

    def __str__(self) -> str:
        return f"{self.generation:06d}-{self.number:010d}-{self.token}"
