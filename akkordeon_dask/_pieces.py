"""Large trees of arrays that travel in pieces: of bounded size, with a checksum each."""

import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np

from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.tree import Array, Tree, paths

__all__ = [
    "PIECE",
    "SLOWEST",
    "Leaf",
    "Parcel",
    "Piece",
    "Span",
    "Spans",
    "check_piece",
    "flat_bytes",
    "leaves_of",
    "nbytes_of",
    "read_piece",
    "sealed",
    "spans",
    "write_piece",
]

PIECE = 16 << 20
"""Bytes of a piece, at most."""
SLOWEST = 1e6
"""Bytes a second: a piece has so much longer than a short answer until its deadline."""


class Leaf(NamedTuple):
    """An array of a tree, without its numbers."""

    path: str
    shape: tuple[int, ...]
    dtype: str
    """As numpy writes it, `<f4`."""

    @property
    def nbytes(self) -> int:
        """Of the array."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


class Span(NamedTuple):
    """Bytes of one array, from `begin` to `end`."""

    path: str
    begin: int
    end: int


Spans: TypeAlias = tuple[Span, ...]
"""Those of one piece."""


class Piece(NamedTuple):
    """The bytes of spans, one behind the other."""

    content: Array
    """uint8; nobody writes into it."""
    checksum: int


class Parcel:
    """A piece as an argument of a call to an actor.

    Dask keeps such arguments in a cycle, until the next collection of garbage: so the caller clears it.
    """

    def __init__(self, piece: Piece) -> None:
        self._piece: Piece | None = piece

    def open(self) -> Piece:
        """The piece.

        Raises
        ------
        CheckpointError
            when the caller was cut short meanwhile.
        """
        if self._piece is None:
            raise CheckpointError("the sender of a piece was cut short: try again")
        return self._piece

    def clear(self) -> None:
        """Let the piece go."""
        self._piece = None


def leaves_of(tree: Tree) -> tuple[Leaf, ...]:
    """The leaves of a tree, in the order of `tree.paths`."""
    return tuple(Leaf(path, array.shape, array.dtype.str) for path, array in paths(tree))


def flat_bytes(tree: Tree) -> dict[str, Array]:
    """The bytes of a tree's arrays, by path: views, where an array is contiguous."""
    return {path: np.ascontiguousarray(array).reshape(-1).view(np.uint8) for path, array in paths(tree)}


def spans(leaves: Iterable[Leaf], size: int = PIECE) -> Iterator[Spans]:
    """All bytes of leaves, in their order, as the spans of pieces of at most `size` bytes, from 16 on.

    Spans begin and end with a number; a leaf without any has an empty one.
    """
    piece: list[Span] = []
    room = size
    for leaf in leaves:
        item, begin = np.dtype(leaf.dtype).itemsize, 0
        while True:
            if room < item:
                yield tuple(piece)
                piece, room = [], size
            end = min(begin + room // item * item, leaf.nbytes)
            piece.append(Span(leaf.path, begin, end))
            room -= end - begin
            begin = end
            if begin == leaf.nbytes:
                break
    if piece:
        yield tuple(piece)


def nbytes_of(piece: Spans) -> int:
    """The bytes of a piece."""
    return sum(span.end - span.begin for span in piece)


def read_piece(arrays: Mapping[str, Array], wanted: Spans) -> Piece:
    """A piece of arrays, as `flat_bytes` returns them; without a copy where it is one span."""
    parts = [arrays[span.path][span.begin : span.end] for span in wanted]
    return sealed(parts[0] if len(parts) == 1 else np.concatenate(parts))


def sealed(content: Array) -> Piece:
    """A piece of these bytes, with their checksum."""
    return Piece(content, zlib.crc32(content.data))


def write_piece(arrays: Mapping[str, Array], where: Spans, piece: Piece) -> None:
    """Write a piece into arrays, as `flat_bytes` returns them.

    Raises
    ------
    CheckpointError
        when it was damaged on its way.
    """
    check_piece(where, piece)
    begin = 0
    for span in where:
        end = begin + span.end - span.begin
        arrays[span.path][span.begin : span.end] = piece.content[begin:end]
        begin = end


def check_piece(where: Spans, piece: Piece) -> None:
    """Check a piece that came from elsewhere.

    Raises
    ------
    CheckpointError
        when it was damaged on its way.
    """
    wanted = nbytes_of(where)
    if piece.content.nbytes != wanted or zlib.crc32(piece.content.data) != piece.checksum:
        first = where[0]
        raise CheckpointError(
            f"a piece of {first.path!r:.80} from byte {first.begin:,} on arrived damaged: {piece.content.nbytes:,} "
            f"bytes of {wanted:,}, or another checksum than {piece.checksum:#010x}: try again, and look at the network"
        )
