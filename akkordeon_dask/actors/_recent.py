"""The newest few entries of a mapping."""

from collections.abc import Mapping
from typing import TypeVar

__all__ = ["with_recent"]

T = TypeVar("T")


def with_recent(entries: Mapping[str, T], name: str, value: T, limit: int) -> dict[str, T]:
    """A new mapping with one more entry, without the oldest ones above the limit.

    >>> with_recent({"a": 1, "b": 2}, "c", 3, limit=2)
    {'b': 2, 'c': 3}
    """
    kept = {key: its for key, its in entries.items() if key != name}
    return {**dict(list(kept.items())[max(0, len(kept) - limit + 1) :]), name: value}
