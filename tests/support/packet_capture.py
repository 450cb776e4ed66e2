"""A capture of the packets on a wire, by a raw socket on one of its ends."""

import contextlib
import ctypes
import os
import socket
import struct
import threading
from collections import defaultdict
from pathlib import Path
from types import TracebackType

_ALL_PROTOCOLS = 0x0003
_SO_RCVBUFFORCE = 33
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_CLONE_NEWNET = 0x40000000
_ROOM = 64 << 20
"""Bytes that the kernel may keep for us."""
_FRAME = 1 << 17
_BACKLOG = 100_000
"""Frames that are still read at the end: a wire need not fall silent."""


class _Stream:
    """One direction of one TCP connection, from the first segment that was heard."""

    def __init__(self) -> None:
        self.payload = bytearray()
        self.repeats = 0
        self._end: int | None = None

    def take(self, sequence: int, payload: bytes) -> None:
        """Keep what is new of a segment."""
        if self._end is None:
            self._end = sequence
        known = (self._end - sequence + 0x80000000) % 0x100000000 - 0x80000000
        if known >= len(payload):
            self.repeats += 1
            return
        self.payload += payload[max(known, 0) :]
        self._end = (sequence + len(payload)) % 0x100000000


class Capture:
    """Hears an interface of a namespace, for as long as its context lasts.

    Streams are kept by the hosts' addresses; what TCP sends again is counted, not kept again.
    """

    def __init__(self, namespace: Path, interface: str) -> None:
        self._namespace, self._interface = namespace, interface
        self._streams: defaultdict[tuple[str, str], defaultdict[tuple[int, int], _Stream]] = defaultdict(
            lambda: defaultdict(_Stream)
        )
        self._ended = threading.Event()
        self.missed = 0
        """Packets that came faster than they were read."""

    def __enter__(self) -> "Capture":
        self._socket = _inside(self._namespace, self._interface)
        self._thread = threading.Thread(target=self._listen, name=f"capture of {self._interface}")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        counts = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        self.missed = struct.unpack("II", counts)[1]
        self._socket.close()

    @property
    def pairs(self) -> set[tuple[str, str]]:
        """The hosts that were heard to send something, each with the one it was for."""
        return set(self._streams)

    def nbytes(self, source: str, target: str) -> int:
        """Bytes that TCP carried from one host to another."""
        return sum(len(stream.payload) for stream in self._between(source, target))

    def repeats(self, source: str, target: str) -> int:
        """How often a host sent again what it had sent before."""
        return sum(stream.repeats for stream in self._between(source, target))

    def shows(self, what: bytes, *hosts: str) -> bool:
        """Whether these bytes were sent between two hosts."""
        one, other = hosts
        return any(what in stream.payload for stream in self._between(one, other) + self._between(other, one))

    def _between(self, source: str, target: str) -> list[_Stream]:
        # The keys first: the listening thread may add a stream meanwhile.
        streams = self._streams.get((source, target), {})
        return [streams[ports] for ports in list(streams)]

    def _listen(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                self._take(self._socket.recv(_FRAME))
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(_BACKLOG):
                self._take(self._socket.recv(_FRAME))

    def _take(self, frame: bytes) -> None:
        """Keep what TCP carries in an Ethernet frame of IPv4."""
        if frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_TCP:
            return
        packet = memoryview(frame)[14:]
        segment = packet[(packet[0] & 15) * 4 : int.from_bytes(packet[2:4])]
        payload = bytes(segment[(segment[12] >> 4) * 4 :])
        if payload:
            hosts = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
            *ports, sequence = struct.unpack("!HHI", segment[:8])
            self._streams[hosts][ports[0], ports[1]].take(sequence, payload)


def _inside(namespace: Path, interface: str) -> socket.socket:
    """A raw socket on an interface of a namespace: made by a thread that enters it and ends, for a socket stays."""
    made: list[socket.socket] = []

    def make() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with namespace.open("rb") as entrance:
            if libc.setns(entrance.fileno(), _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(namespace))
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
        raw.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)
        raw.bind((interface, 0))
        raw.settimeout(0.05)
        made.append(raw)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    assert made, f"no raw socket on {interface} of {namespace}"
    return made[0]
