"""Both ends of the post without actors: threads that keep what they get, workers and peers in one event loop."""

import asyncio
import contextlib
import os
import threading
from types import SimpleNamespace

import dask.config
import numpy as np
from distributed import Scheduler, Worker
from distributed.comm import listen

from akkordeon_dask.actors.engine._dispatcher import dispatcher
from akkordeon_dask.actors.transport._post_office import PostOffice
from akkordeon_dask.actors.transport._socket_folder import _PREFIX, _bases
from akkordeon_dask.messages import Forward, decode
from tests.support.numbered_samples import header
from tests.support.patience import PATIENCE


def forward(sequence, size=4):
    """A batch of `4 * size` bytes that is told apart by its sequence and its content."""
    return Forward(header(sequence), np.full((1, size), sequence, np.float32))


async def holds(condition, within=PATIENCE):
    """Wait on the event loop until `condition` holds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.002)


class Kept:
    """A behavior that keeps its messages."""

    wants_timer = False

    def __init__(self):
        self.messages = []
        self.arrived = threading.Event()
        self.closed = False

    @property
    def sequences(self):
        """Which batches came, in their order."""
        return [message.header.sequence for message in self.messages]

    def receive(self, message):
        self.messages.append(message)
        self.arrived.set()

    def on_timer(self, now):
        return 1.0

    def stop(self):
        self.closed = True

    def cell(self, name="a test's actor"):
        """A cell that runs it."""
        return dispatcher.cell(f"akkordeon {name}", self)


class Peer:
    """The far end of a link: reads envelopes while it is `open`, and answers only what it is told to."""

    def __init__(self):
        self.open = asyncio.Event()
        self.open.set()
        self.envelopes, self.openings, self.comms = [], [], []

    async def __aenter__(self):
        self._listener = await listen("tcp://127.0.0.1:0", self._handle)
        self.address = self._listener.contact_address
        return self

    async def __aexit__(self, *error):
        for comm in self.comms:
            comm.abort()
        self._listener.stop()

    @property
    def sequences(self):
        """Which batches came, in their order."""
        return [int(decode(envelope["message"]).x[0, 0]) for envelope in self.envelopes]

    async def _handle(self, comm):
        self.comms.append(comm)
        with contextlib.suppress(OSError):
            self.openings.append(await comm.read())
            while True:
                await self.open.wait()
                self.envelopes += await comm.read()

    def worker(self):
        """A worker, reduced to the attributes that a link reads."""
        loop = SimpleNamespace(asyncio_loop=asyncio.get_running_loop())
        return SimpleNamespace(address="tcp://127.0.0.1:1", loop=loop, connection_args={})


WAYS = ("inproc", "unix", "tcp")
"""The ways between two post offices: in one process, over UNIX sockets, over TCP."""


@contextlib.asynccontextmanager
async def offices(way, **options):
    """The post offices of two workers in this event loop, who reach each other on this way."""
    local = {"akkordeon.link.local": "never" if way == "tcp" else "auto"}
    where = {"protocol": "inproc://"} if way == "inproc" else {"protocol": "tcp://", "host": "127.0.0.1", **options}
    with dask.config.set(local):
        async with Scheduler(dashboard=False, dashboard_address=":0", port=0, **where) as scheduler:
            plain = {"nthreads": 1, "dashboard": False, **where}
            async with Worker(scheduler.address, **plain) as a, Worker(scheduler.address, **plain) as b:
                yield await PostOffice.of(a), await PostOffice.of(b)


def socket_folders():
    """The folders of UNIX sockets that this process has now."""
    return {path for base in _bases() for path in base.glob(f"{_PREFIX}{os.getpid()}-*")}
