"""Trees of arrays that a gate hands out, or takes in, piece by piece."""

import asyncio
from collections.abc import Callable, Iterable, Mapping

from akkordeon_dask import config
from akkordeon_dask._pieces import Leaf, Piece, Spans, flat_bytes, leaves_of, read_piece, write_piece
from akkordeon_dask.actors._offload import offload
from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.memory import empty
from akkordeon_dask.optim import State
from akkordeon_dask.tree import Array, Tree, map_leaves

__all__ = ["GateTransfers"]


class _Transfer:
    """A tree under a token."""

    def __init__(self, tree: Tree, arrays: Mapping[str, Array], missing: Iterable[Leaf]) -> None:
        self.tree = tree
        self.arrays = arrays
        """The bytes of its leaves, by path."""
        self.missing = {leaf.path: leaf.nbytes for leaf in missing}
        """Bytes that were not written yet, by path."""
        self.finished: tuple[Tree, State] | None = None
        self.timer: asyncio.TimerHandle | None = None


class GateTransfers:
    """The trees that are read from a gate, or written to it, each under a token of its owner's. On the event loop.

    The owner renews its token, or reads and writes by it; it is released `timeouts.control` after the last time.

    Parameters
    ----------
    label
        names the gate and its worker in errors.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._transfers: dict[str, _Transfer] = {}

    def __len__(self) -> int:
        return len(self._transfers)

    def hold(self, token: str, tree: Tree) -> tuple[Leaf, ...]:
        """Hand out a tree that nobody writes into; its leaves."""
        self._add(token, _Transfer(tree, flat_bytes(tree), ()))
        return leaves_of(tree)

    def stage(self, token: str, like: Tree) -> tuple[Leaf, ...]:
        """Take in a tree of the form of another one; its leaves."""
        tree = map_leaves(lambda leaf: empty(leaf.shape, leaf.dtype), like)
        expected = leaves_of(tree)
        self._add(token, _Transfer(tree, flat_bytes(tree), expected))
        return expected

    def _add(self, token: str, transfer: _Transfer) -> None:
        self.release(token)
        self._transfers[token] = transfer
        self.renew(token)

    def renew(self, token: str) -> None:
        """The owner lives.

        Raises
        ------
        CheckpointError
            when the token was released, or the gate was moved or restarted meanwhile.
        """
        transfer = self._known(token)
        if transfer.timer is not None:
            transfer.timer.cancel()
        seconds = config.seconds("timeouts.control")
        transfer.timer = asyncio.get_running_loop().call_later(seconds, self.release, token)

    def release(self, token: str) -> None:
        """Drop the tree under a token, if it is still there."""
        transfer = self._transfers.pop(token, None)
        if transfer is not None and transfer.timer is not None:
            transfer.timer.cancel()

    def held(self, token: str) -> Tree:
        """The tree under a token; an empty one where there is none."""
        transfer = self._transfers.get(token)
        return transfer.tree if transfer is not None else {}

    async def read(self, token: str, spans: Spans) -> Piece:
        """A piece of a tree that is handed out. Raises as `renew` does."""
        self.renew(token)
        return await offload(read_piece, self._known(token).arrays, spans)

    async def write(self, token: str, spans: Spans, piece: Piece) -> None:
        """Take a piece of a tree in, each once. Raises as `renew` does, and when it arrives damaged."""
        self.renew(token)
        transfer = self._known(token)
        await offload(write_piece, transfer.arrays, spans, piece)
        for span in spans:
            transfer.missing[span.path] -= span.end - span.begin

    async def finish(self, token: str, function: Callable[[Tree], tuple[Tree, State]]) -> None:
        """Have `function` prepare the whole tree that was taken in, in another thread, for `take`.

        Raises
        ------
        CheckpointError
            when bytes of it are missing; and as `renew` does.
        """
        transfer = self._known(token)
        if missing := {path: left for path, left in transfer.missing.items() if left}:
            raise CheckpointError(f"{self._label} lacks bytes of its new parameters, {missing!r:.200}: load them again")
        transfer.finished = await offload(function, transfer.tree)

    def take(self, token: str) -> tuple[Tree, State]:
        """The parameters and the state of `finish`; the token is released. Raises as `renew` does."""
        finished = self._known(token).finished
        assert finished is not None
        self.release(token)
        return finished

    def _known(self, token: str) -> _Transfer:
        transfer = self._transfers.get(token)
        if transfer is None:
            seconds = config.seconds("timeouts.control")
            raise CheckpointError(
                f"{self._label} was moved or restarted meanwhile, or heard nothing of this transfer for {seconds:g} s: "
                "try again"
            )
        return transfer
