"""Messages as frames of a local link: two lengths, what msgpack makes of a message, the bare bytes of its array.

Nothing of a frame is unpickled, and no memory is taken for a length that has not been checked.
"""

import math
import struct
from collections.abc import Iterator
from typing import Any

import msgpack
import numpy as np

from akkordeon_dask.errors import MessageError
from akkordeon_dask.memory import empty
from akkordeon_dask.messages import NUMBERS, Message, decode, encode
from akkordeon_dask.tree import Array

__all__ = ["FrameReader", "FrameWriter"]

_HEAD = struct.Struct("<IQ")
"""Bytes of the packed message, bytes of its array."""

_STAGE = 8 * 1024
"""Bytes that are read before their meaning is known: enough for many small messages, few to copy of a large array."""


class FrameWriter:
    """Makes frames. One thread at a time."""

    def __init__(self) -> None:
        self._pack = msgpack.Packer(buf_size=_STAGE).pack

    def frame(self, actor: str, message: Message) -> list[Any]:
        """The buffers of a frame, in their order; the last one is the array's own memory.

        Raises
        ------
        MessageError
            when this is no message, or its array does not hold numbers.
        """
        try:
            plain = encode(message)
        except (AttributeError, KeyError) as error:
            raise MessageError(f"a {type(message).__name__} is no message of akkordeon_dask") from error
        array = plain.pop("array", None)
        if array is None:
            return [self._front((actor, plain, None, ()), 0)]
        if array.dtype.kind not in NUMBERS:
            raise MessageError(f"an array of {array.dtype} cannot be sent: send numbers")
        front = self._front((actor, plain, array.dtype.str, array.shape), array.nbytes)
        return [front, _bytes(np.ascontiguousarray(array))]

    def _front(self, packable: tuple[Any, ...], nbytes: int) -> bytes:
        packed: bytes = self._pack(packable)
        return _HEAD.pack(len(packed), nbytes) + packed


class FrameReader:
    """Makes messages of frames. One thread at a time: it fills `buffers()`, then says so by `advance`.

    A length in a frame is the sender's word. So memory is touched only as bytes arrive: the stage grows with them, and
    the operating system gives an array its pages when they are written.

    Parameters
    ----------
    bound
        bytes that a frame may have at most: those of the machine.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._stage = memoryview(bytearray(_STAGE))
        self._begin = self._end = 0
        """The part of the stage that is read and has no meaning yet."""
        self._open: tuple[str, dict[str, Any]] | MessageError | None = None
        """The message whose array is being read."""
        self._rest: memoryview = self._stage[:0]
        """The part of its array that is not read yet."""

    def buffers(self) -> list[memoryview]:
        """Memory for the next bytes, in their order."""
        stage = self._stage[self._end :]
        return [self._rest, stage] if len(self._rest) else [stage]

    def advance(self, nbytes: int) -> Iterator[tuple[str, Message] | MessageError]:
        """The messages that are complete with the next `nbytes` bytes; in place of a bad one, its error.

        Raises
        ------
        OSError
            when a frame is too long: nothing behind it can be read.
        """
        direct = min(nbytes, len(self._rest))
        self._rest = self._rest[direct:]
        self._end += nbytes - direct
        while True:
            self._fill()
            if len(self._rest):
                break
            if self._open is not None:
                yield self._complete()
            if not self._next():
                break
        self._make_room()

    def _fill(self) -> None:
        """Move the array's bytes from the stage to the array."""
        taken = min(len(self._rest), self._end - self._begin)
        if taken:
            self._rest[:taken] = self._stage[self._begin : self._begin + taken]
            self._rest = self._rest[taken:]
            self._begin += taken

    def _complete(self) -> tuple[str, Message] | MessageError:
        opened, self._open = self._open, None
        if isinstance(opened, MessageError):
            return opened
        assert opened is not None
        actor, plain = opened
        try:
            return actor, decode(plain)
        except MessageError as error:
            return error

    def _next(self) -> bool:
        """Begin with the next frame; False where its front is not here yet."""
        begin = self._begin + _HEAD.size
        if begin > self._end:
            return False
        length, nbytes = _HEAD.unpack_from(self._stage, self._begin)
        if length + nbytes > self._bound:
            raise OSError(f"a frame of {length + nbytes} bytes is too long: the bound is {self._bound}")
        if begin + length > self._end:
            return False
        packed = self._stage[begin : begin + length]
        self._begin = begin + length
        try:
            actor, plain, array = _unpacked(packed, nbytes)
            self._open = actor, plain
        except Exception as error:  # of msgpack, of numpy
            self._open, array = MessageError(f"not a message of akkordeon_dask: {error}"), empty((nbytes,), np.uint8)
        if array is not None:
            self._rest = _bytes(array)
        return True

    def _make_room(self) -> None:
        """Move the bytes without a meaning to the front of the stage, which grows for a long message."""
        left = self._stage[self._begin : self._end]
        needed = _STAGE
        if len(left) >= _HEAD.size:
            announced = _HEAD.size + _HEAD.unpack_from(left)[0]
            needed = max(needed, min(announced, 2 * len(left)))
        stage = self._stage if len(self._stage) == needed else memoryview(bytearray(needed))
        if self._begin or stage is not self._stage:
            stage[: len(left)] = left
        self._stage, self._begin, self._end = stage, 0, len(left)


def _bytes(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _unpacked(packed: memoryview, nbytes: int) -> tuple[str, dict[str, Any], Array | None]:
    """The actor, the plain message, and memory for its array."""
    actor, plain, dtype, shape = msgpack.unpackb(packed, use_list=False)
    if not isinstance(actor, str) or not isinstance(plain, dict):
        raise MessageError("it names no actor")
    if dtype is None:
        if nbytes:
            raise MessageError(f"it has {nbytes} bytes of no array")
        plain["array"] = None
        return actor, plain, None
    kind = np.dtype(dtype)
    if kind.kind not in NUMBERS or math.prod(shape) * kind.itemsize != nbytes or min(shape, default=0) < 0:
        raise MessageError(f"an array {shape} of {kind} does not have {nbytes} bytes")
    plain["array"] = array = empty(shape, kind)
    return actor, plain, array
