"""Sentinels of a command's own that fail: the error of the command says so, and their events need not say it again."""

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["HeldFailures", "nobody"]

Fields = Mapping[str, Any]


def nobody(sentinel: str) -> bool:
    """No sentinel is the command's own."""
    return False


class HeldFailures:
    """Holds the events of failures until it is known whether the command ends with them. Used by one thread at a time.

    Parameters
    ----------
    own
        whether the command ends with an error when this sentinel fails.
    """

    def __init__(self, own: Callable[[str], bool]) -> None:
        self._own = own
        self.held: list[Fields] = []

    def take(self, fields: Fields) -> list[Fields]:
        """The events to show after this one: itself, unless it is held, behind those that are held no more."""
        sentinel = fields.get("sentinel")
        if fields["event"] == "failed" and sentinel is not None and self._own(sentinel):
            self.held.append(fields)
            return []
        # A sentinel of which there is more to tell did not end the command.
        released = [one for one in self.held if one["sentinel"] == sentinel or not self._own(one["sentinel"])]
        self.held = [one for one in self.held if one not in released]
        return [*released, fields]

    def release(self) -> list[Fields]:
        """All that are held: the command goes on."""
        released, self.held = self.held, []
        return released

    def missing_in(self, error: str) -> list[Fields]:
        """Those that the command's error does not tell, at the end; it is empty where there is none."""
        return [one for one in self.held if str(one.get("text", "")) not in error]
