"""A cluster of processes, a network that runs on it, and what others see of it."""

import pytest
from distributed import Client

from tests.support.dialogues import akkordeon
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.programs import running_cluster

LAYERS = """
from dataclasses import dataclass

from akkordeon_dask import nn

SLOPE = 0.1


@dataclass(frozen=True, repr=False)
class Leaky(nn.Layer):
    def forward(self, params, x, *, train=False, key=None, own=False):
        return x * (1 - (1 - SLOPE) * (x < 0)), x

    def backward(self, context, dy, *, need_dx=True, own=False):
        return dy * (1 - (1 - SLOPE) * (context < 0)), {}
"""

NETWORK = """
import numpy as np
from my_layers import Leaky

from akkordeon_dask import Gate, data, nn, optim


class Mine(nn.Linear):
    def forward(self, params, x, **options):
        return super().forward(params, x, **options)


SGD = optim.SGD(0.02)
network = (
    Gate(nn.Scale(33.3, 78.6) >> nn.Linear(784, 20) >> Leaky(), SGD, workers="alice")
    | Gate(Mine(20, 10), SGD, workers="bob")
)
spread = Gate(nn.Linear(784, 20), SGD) | Gate(nn.Linear(20, 20), SGD) | Gate(nn.Linear(20, 10), SGD)
carols = Gate(nn.Linear(784, 20), SGD, workers="alice") | Gate(nn.Linear(20, 10), SGD, name="last", workers="carol")
free = Gate(nn.Scale(33.3, 78.6) >> nn.Linear(784, 10), SGD)
provider = data.mnist_sample("train")
number = 3


def make():
    return network


def broken():
    return 1 / 0


def numbers():
    rng = np.random.default_rng(0)
    for _ in range(5):
        yield rng.normal(size=(40, 784)).astype(np.float32), rng.integers(0, 10, 40)


def breaks():
    yield from [*numbers()][:3]
    1 / 0


def batches():
    rng = np.random.default_rng(0)
    for _ in range(5):
        yield rng.integers(0, 255, (40, 784)).astype(np.uint8), rng.integers(0, 10, 40)
"""


@pytest.fixture(autouse=True)
def no_debugging(monkeypatch):
    """An error is a message and no traceback: other tests may have set memory's debug mode for the whole run."""
    monkeypatch.delenv("AKKORDEON_DEBUG", raising=False)


@pytest.fixture(scope="package")
def cluster(tmp_path_factory):
    """Workers named alice and bob."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="package")
def at(cluster):
    """The options that lead there."""
    return "--scheduler", cluster.address


@pytest.fixture(scope="package")
def client(cluster):
    """Somebody else on the cluster."""
    with Client(cluster.address, timeout=PATIENCE) as other:
        yield other


@pytest.fixture(scope="package")
def file(tmp_path_factory):
    """A user's file with networks and data, and beside it a module that it imports; the workers know neither."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "my_layers.py").write_text(LAYERS)
    (folder / "nets.py").write_text(NETWORK)
    return folder / "nets.py"


def left(client):
    """The keys and the names of networks that are on the cluster."""
    return client.run_on_scheduler(
        lambda dask_scheduler: [*map(str, dask_scheduler.tasks), *dask_scheduler.extensions["publish"].datasets]
    )


@pytest.fixture
def nothing_left(client):
    """Waits until no key and no name is on the cluster but those of digits; fails when that does not come."""

    def others():
        return [name for name in left(client) if "-digits-" not in name and not name.endswith("/digits")]

    return lambda: wait_until(lambda: not others(), seen=others)


@pytest.fixture(scope="package")
def digits(at, file, client):
    """A program that owns a network named digits, as long as the tests run. At the end nothing stays."""
    with akkordeon("network", f"{file}:network", "--name", "digits", *at) as program:
        program.line("join it")
        yield program
        assert program.interrupt() == 0
    wait_until(lambda: not left(client), seen=lambda: left(client))
