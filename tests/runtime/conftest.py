"""A cluster of two workers in this process, and its users."""

import pytest
from distributed import LocalCluster

from tests.support.leftovers import akkordeon_threads, wait_until
from tests.support.restarting_workers import pair
from tests.support.small_networks import NETWORK
from tests.support.sync_and_async_client import AsynchronousUser, SynchronousUser


@pytest.fixture(scope="session", autouse=True)
def _debug(poisoned_pool):
    """Everything here runs end to end: in the debug mode of memory."""


@pytest.fixture(scope="module")
def processes(_debug):
    """Two worker processes with nannies."""
    with pair() as running:
        yield running


@pytest.fixture(scope="session")
def cluster(_debug):
    """Two workers named 0 and 1 in this process."""
    options = {"processes": False, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(n_workers=2, **options) as running:
        yield running


@pytest.fixture(scope="session", params=[SynchronousUser, AsynchronousUser], ids=["sync", "async"])
def user(request, cluster):
    with request.param(cluster.scheduler.address) as somebody:
        yield somebody


@pytest.fixture(scope="session")
def somebody(cluster):
    """Another client of the cluster."""
    with SynchronousUser(cluster.scheduler.address) as other:
        yield other


@pytest.fixture
def running(user):
    """A network that runs as long as the test."""
    with user.deploy(NETWORK) as network:
        yield network


@pytest.fixture
def nothing_left(cluster):
    """Waits until no thread, no key and no name of ours is left in the cluster; fails when that does not come."""

    def left():
        scheduler = cluster.scheduler
        return [*akkordeon_threads(), *scheduler.tasks, *scheduler.extensions["publish"].datasets]

    return lambda: wait_until(lambda: not left(), seen=left)
