"""Frames: messages arrive unchanged however their bytes are cut; a bad one is an error, and the next one arrives."""

import contextlib

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from akkordeon_dask.actors.transport._frames import _HEAD, _STAGE, FrameReader, FrameWriter
from akkordeon_dask.errors import MessageError
from akkordeon_dask.memory import ALIGNMENT
from akkordeon_dask.messages import Backward, Failed, Forward, encode
from tests.messages.test_codec import HEADER, ONE_OF_EACH, X, fields_of, messages
from tests.support.for_each import for_each

BOUND = 1 << 20


def written(*sent):
    """The bytes of the frames of messages for actor `g0`."""
    writer = FrameWriter()
    return b"".join(bytes(part) for message in sent for part in writer.frame("g0", message))


def read(raw, sizes=(10**9,), reader=None):
    """Everything that a reader makes of these bytes, given to it in pieces of these sizes."""
    reader, received, at, turn = reader or FrameReader(BOUND), [], 0, 0
    while at < len(raw):
        piece = raw[at : at + sizes[turn % len(sizes)]]
        taken = 0
        for buffer in reader.buffers():
            part = piece[taken : taken + len(buffer)]
            buffer[: len(part)] = part
            taken += len(part)
        received += reader.advance(taken)
        at, turn = at + taken, turn + 1
    return received


def framed(plain, dtype=None, shape=(), data=b"", actor="g0"):
    """The frame that a writer would make of such parts."""
    packed = msgpack.packb((actor, plain, dtype, shape))
    return _HEAD.pack(len(packed), len(data)) + packed + data


@given(st.lists(messages, max_size=5), st.lists(st.integers(1, 3 * _STAGE), min_size=1, max_size=5))
def test_messages_arrive_unchanged_however_their_bytes_are_cut(sent, sizes):
    received = read(written(*sent), sizes)
    assert [(actor, fields_of(message)) for actor, message in received] == [("g0", fields_of(one)) for one in sent]


@for_each("size", [0, 1, _STAGE // 4, _STAGE, 3 * _STAGE, 10 * _STAGE])
@for_each("cut", [1000, _STAGE, 10**9])
def test_arrays_larger_than_the_stage_arrive_aligned(size, cut):
    sent = [Forward(HEADER, np.arange(size, dtype=np.float32) + n) for n in range(4)]
    received = read(written(*sent), [cut])
    assert [fields_of(message) for _, message in received] == [fields_of(message) for message in sent]
    assert all(message.x.flags.aligned for _, message in received)
    if 4 * size >= 32 * 1024:
        assert all(message.x.ctypes.data % ALIGNMENT == 0 for _, message in received)


def test_the_array_is_written_from_its_own_memory():
    *_, data = FrameWriter().frame("g0", Forward(HEADER, X))
    assert np.shares_memory(np.frombuffer(data, np.float32), X)


def test_a_long_text_arrives_and_the_stage_is_small_again():
    reader = FrameReader(BOUND)
    sent = [Failed(HEADER, "g0", "tcp://w", "because " * _STAGE), Backward(HEADER, X)]
    assert [fields_of(message) for _, message in read(written(*sent), [777], reader)] == list(map(fields_of, sent))
    assert len(reader.buffers()[0]) == _STAGE


PLAIN = encode(ONE_OF_EACH[0]) | {"array": None}


@for_each(
    "bad",
    [
        framed(PLAIN, "<f4", (2, 4), X.tobytes()), framed(PLAIN, "<f4", (-2, -3), X.tobytes()),
        framed(PLAIN, "<f4", (2.0, 3.0), X.tobytes()), framed(PLAIN, "<f4", "ab", X.tobytes()),
        framed(PLAIN, "<f4", (1,) * 100 + (6,), X.tobytes()), framed(PLAIN, "<f4", (2**62, 0)),
        framed(PLAIN, "O", (3,), X.tobytes()), framed(PLAIN, "V8", (3,), X.tobytes()), framed(PLAIN, 4, (6,), b""),
        framed(PLAIN, None, (), X.tobytes()), framed(PLAIN), framed(PLAIN, actor=3), framed("gossip"),
        framed({"kind": "gossip"}), _HEAD.pack(3, 5) + b"\xc1\xc1\xc1" + b"12345", _HEAD.pack(0, 0),
        _HEAD.pack(1, 0) + msgpack.packb(7), _HEAD.pack(2, 0) + b"\x93\x01",
    ],
)  # fmt: skip
@for_each("cut", [1, 10**9])
def test_a_bad_frame_is_an_error_and_the_next_message_arrives(bad, cut):
    error, (_, message) = read(bad + written(ONE_OF_EACH[1]), [cut])
    assert isinstance(error, MessageError)
    assert fields_of(message) == fields_of(ONE_OF_EACH[1])


@given(st.binary(max_size=200))
def test_any_bytes_give_messages_or_errors(raw):
    received = []
    with contextlib.suppress(OSError):
        received = read(raw)
    assert all(isinstance(one, MessageError) for one in received)


@for_each("lengths", [(BOUND + 1, 0), (0, BOUND + 1), (BOUND, 1), (2**32 - 1, 2**64 - 1)])
def test_a_frame_above_the_bound_ends_the_reading_before_memory_is_taken(lengths):
    reader = FrameReader(BOUND)
    with pytest.raises(OSError, match=f"a frame of {sum(lengths)} bytes"):
        read(_HEAD.pack(*lengths), reader=reader)
    assert sum(map(len, reader.buffers())) <= _STAGE


def test_a_forged_length_costs_no_memory():
    reader = FrameReader(10**12)
    read(_HEAD.pack(2**31, 0) + bytes(100), reader=reader)
    assert sum(map(len, reader.buffers())) <= _STAGE


@for_each("cut", [1000, _STAGE, 10**9])
def test_a_long_packed_part_arrives(cut):
    long = Failed(HEADER, "g0", "tcp://a:1", "x" * 10 * _STAGE)
    assert read(written(long, long), [cut]) == [("g0", long), ("g0", long)]


@for_each("what", [object(), None, Forward(HEADER, np.array([None, {}])), Forward(HEADER, np.array(["text"]))])
def test_anything_but_messages_of_numbers_is_refused(what):
    with pytest.raises(MessageError):
        FrameWriter().frame("g0", what)
