"""The manifest of a snapshot: a small file with its description and the checksums that prove it complete."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from akkordeon_dask.snapshots._tree_format import Node

__all__ = ["FORMAT", "DamagedError", "Manifest", "now", "open_seal", "seal"]

FORMAT = "akkordeon_dask snapshot 1"

_START, _END = b'{"check": "', b'",\n'


class DamagedError(Exception):
    """A snapshot differs from what was written; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The description of a snapshot, without its arrays."""

    series: str
    generation: int
    number: int
    time: str
    """The time of the write, in UTC."""
    facts: dict[str, Any]
    file: str
    """The name of the file with the arrays, beside this one."""
    bytes: int
    sha256: str
    tree: Node
    """The tree's form, as `describe` returns it."""


def now() -> str:
    """The present time in a manifest's format."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def seal(manifest: Manifest) -> bytes:
    """The manifest's file: JSON whose first entry is the checksum of all bytes behind it.

    Raises
    ------
    TypeError, ValueError
        when the facts are not JSON.
    """
    body = json.dumps({"format": FORMAT} | asdict(manifest)).encode()[1:]
    return _check(body) + body


def _check(body: bytes) -> bytes:
    return _START + hashlib.sha256(body).hexdigest().encode() + _END


def open_seal(content: bytes) -> Manifest:
    """The manifest in a file.

    Raises
    ------
    DamagedError
        when it is cut off, changed, or in another format.
    """
    try:
        entries = json.loads(content)
        found = entries.pop("format")
        del entries["check"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(f"its manifest is not one ({error})") from error
    if found != FORMAT:
        raise DamagedError(f"its format is {found!r:.60}, this release reads {FORMAT!r}")
    start = len(_check(b""))
    if content[:start] != _check(content[start:]):
        raise DamagedError("its manifest was changed: the sum is wrong")
    try:
        return Manifest(**entries)
    except TypeError as error:
        raise DamagedError(f"its manifest has other entries ({error})") from error
