"""Batches that a gate does not take yet."""

from collections.abc import Callable

from akkordeon_dask.actors.engine._behavior import Send
from akkordeon_dask.messages import Address, Forward, Waiting

__all__ = ["WaitingBatches"]


class WaitingBatches:
    """Forward passes that wait in front of a gate until they are sent to it again. Turns of the gate call it.

    Parameters
    ----------
    address
        of the gate.
    """

    def __init__(self, address: Address, send: Send) -> None:
        self._address, self._send = address, send
        self._messages: dict[tuple[str, int], Forward] = {}
        """The newest attempt of each batch, by sentinel and sequence."""

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, message: Forward) -> None:
        """Keep a message; a sentinel that sends a batch again, and takes it for lost, is told that it waits."""
        header = message.header
        before = self._messages.get(header.batch)
        if before is None or before.header.attempt < header.attempt:
            self._messages[header.batch] = message
        if header.attempt > 1:
            self._send(header.reply_to, Waiting(header))

    def remove(self, gone: Callable[[str, int], bool]) -> None:
        """Forget the batches for whose sentinel and sequence `gone` is true."""
        self._messages = {batch: message for batch, message in self._messages.items() if not gone(*batch)}

    def release(self) -> None:
        """Have all of them come again."""
        messages, self._messages = self._messages, {}
        for message in messages.values():
            self._send(self._address, message)
