"""Two post offices of one host and what goes between them, for stories of links over UNIX sockets."""

import asyncio

import dask.config

from akkordeon_dask.actors.transport._link import LINK_OP
from akkordeon_dask.messages import Address
from tests.support.patience import PATIENCE
from tests.support.post_offices import Kept, forward, holds, offices


def run_story(story, **settings):
    """Run a story between two post offices of one host; `kept` is an actor of the second one.

    What is sent before a connection is open is lost when that takes too long: by default it has the time it needs.
    """

    async def run():
        kept = Kept()
        async with offices("unix") as (here, there):
            there.add("actor", kept.cell())
            await story(here, there, kept)

    settings = {"timeouts__connect": PATIENCE} | settings
    with dask.config.set({f"akkordeon.{key.replace('__', '.').replace('_', '-')}": v for key, v in settings.items()}):
        asyncio.run(run())


def post(here, there, *sequences, size=4, actor="actor"):
    """Send batches to an actor of the other office."""
    for sequence in sequences:
        here.send(Address(there.address, actor), forward(sequence, size))


async def sent_and_kept(here, there, kept, sequence):
    """Send one batch and wait until it has arrived."""
    post(here, there, sequence)
    await holds(lambda: sequence in kept.sequences)


def over_tcp(office):
    """How many links come to this worker over Dask's comms."""
    return sum(op == LINK_OP for op in office.worker._comms.values())


def sockets(office):
    """The connections over which this worker reads."""
    listener = office._station._listener
    return [] if listener is None else [fd for poller in listener._readers for fd in poller._sockets]


def lines(caplog):
    """The transport's log."""
    return [record.getMessage() for record in caplog.records if "akkordeon" in record.name]
