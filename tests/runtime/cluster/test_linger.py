"""No sender of Dask is left in its last wait when a client's event loop ends."""

import asyncio
import gc

import pytest
from distributed import LocalCluster, utils

from akkordeon_dask.cli._connection import client_at
from akkordeon_dask.cli.options._cluster_options import ClusterAddress
from akkordeon_dask.runtime import LingeringClient


class UnluckyLoop(asyncio.SelectorEventLoop):
    """All that waits for a time finds it come in the last round, too late for anyone to handle it."""

    def __init__(self) -> None:
        super().__init__()
        self.unhandled: list[BaseException | None] = []
        self.set_exception_handler(lambda loop, context: self.unhandled.append(context.get("exception")))

    def close(self) -> None:
        """End with such a round."""
        for timer in self._scheduled:
            if not timer.cancelled():
                timer._run()
        super().close()


@pytest.fixture(scope="module")
def address():
    with LocalCluster(n_workers=0, processes=False, protocol="tcp", dashboard_address="127.0.0.1:0") as cluster:
        yield cluster.scheduler_address


def command_line(address):
    """The connection of a command."""
    return client_at(ClusterAddress(address=address))


@pytest.mark.parametrize("connection", [LingeringClient, command_line])
def test_it_leaves_no_timeout_unhandled(connection, address, monkeypatch):
    monkeypatch.setattr(utils, "get_loop_factory", lambda: UnluckyLoop)
    with connection(address) as client:
        loop = client.loop.asyncio_loop
    assert loop.is_closed()
    del client
    gc.collect()
    assert loop.unhandled == []
