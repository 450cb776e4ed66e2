"""Another version on scheduler or workers is an error before anything is deployed."""

import asyncio
import logging
from contextlib import ExitStack
from dataclasses import replace
from types import SimpleNamespace

import dask.config
import pytest
from distributed import Client

import akkordeon_dask
from akkordeon_dask import Gate, connect, deploy, nn
from akkordeon_dask.errors import DeploymentError, PlacementError
from akkordeon_dask.runtime.cluster import _versions
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.programs import running_cluster, started
from tests.support.small_networks import SGD, three_gates
from tests.support.workers import workers_now

WITHOUT = """
import sys

class Nobody:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "akkordeon_dask":
            raise ModuleNotFoundError("No module named 'akkordeon_dask'", name="akkordeon_dask")

sys.meta_path.insert(0, Nobody())
"""
OTHER = "from akkordeon_dask.runtime.cluster import _versions; _versions.__version__ = '0.0.9'"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Alice and bob have the same version, carol has a GPU and no akkordeon_dask, dora has another one."""
    folder = tmp_path_factory.mktemp("mixed")
    with running_cluster(folder) as cluster, Client(cluster.address) as client, ExitStack() as stack:
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        for name, code, more in (("carol", WITHOUT, ("--resources", "GPU=1")), ("dora", OTHER, ())):
            (folder / name).mkdir()
            (folder / name / "sitecustomize.py").write_text(code)
            command = ("-m", "dask", "worker", cluster.address, "--name", name, *options, *more)
            worker = stack.enter_context(started(*command, PYTHONPATH=str(folder / name)))
            worker.stderr.close()
        client.wait_for_workers(4, timeout=PATIENCE)
        addresses = {facts["name"]: address for address, facts in workers_now(client).items()}
        yield client, addresses


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("carol", "worker {} has no akkordeon_dask, this process {}: install akkordeon_dask=={} there"),
        ("dora", "worker {} has akkordeon_dask 0.0.9, this process {}: install akkordeon_dask=={} there, or"),
    ],
)
def test_a_worker_that_shall_have_a_gate_needs_the_same_akkordeon_dask(mixed, asked, text):
    client, addresses = mixed
    mine = akkordeon_dask.__version__
    with pytest.raises(DeploymentError) as caught:
        deploy(three_gates(g0="alice", g1="bob", g2=asked), client, name="mixed")
    assert text.format(addresses[asked], mine, mine) in str(caught.value)
    wait_until(lambda: not client.run_on_scheduler(lambda dask_scheduler: list(map(str, dask_scheduler.tasks))))


def test_a_worker_without_it_is_given_no_gate_that_takes_something(mixed, caplog):
    client, addresses = mixed
    greedy = Gate(nn.Linear(6, 3), SGD, resources={"GPU": 1})
    text = rf"carol \({addresses['carol']}\) has GPU 1, but did not say what is taken of it"
    with pytest.raises(PlacementError, match=text):
        deploy(greedy, client)
    assert "ModuleNotFoundError" in caplog.text


def test_a_worker_that_is_not_used_may_have_any_version(mixed):
    client, _ = mixed
    with (
        deploy(three_gates(g0="alice", g1="bob", g2="bob"), client, name="fine") as running,
        Client(client.scheduler.address) as other,
        connect("fine", other) as guest,
    ):
        assert guest.placement == running.placement


def test_this_process_may_be_the_one_that_differs(mixed, monkeypatch):
    client, _ = mixed
    with (
        deploy(three_gates(g0="alice", g1="bob", g2="bob"), client, name="fine"),
        Client(client.scheduler.address) as other,
    ):
        monkeypatch.setattr(_versions, "__version__", "9.9")
        with pytest.raises(DeploymentError, match=r"has akkordeon_dask 0\.1\.0, this process 9\.9"):
            connect("fine", other)


def test_each_process_is_asked_once_for_a_client(mixed, monkeypatch):
    client, _ = mixed
    asked = []

    def noted(original):
        def call(client, function, *args, **options):
            asked.append(function)
            return original(client, function, *args, **options)

        return call

    for verb in (Client.run, Client.run_on_scheduler):
        monkeypatch.setattr(Client, verb.__name__, noted(verb))
    with Client(client.scheduler.address) as other:
        for _ in range(2):
            with deploy(three_gates(g0="alice", g1="bob", g2="bob"), other) as running:
                assert running.parameters()
    assert asked.count(_versions.versions) == len(["alice", "bob", "the scheduler"])


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"python": "3.9.1"}, "worker w has Python 3.9.1, this process 3.11.7: install the same on both"),
        ({"numpy": "1.26.0"}, "worker w has numpy 1.26.0, this process 2.4.6: install the same on both"),
        ({"numpy": "2.0.1", "python": "3.11.0"}, None),
    ],
)
def test_another_python_or_numpy_is_a_warning(caplog, monkeypatch, changed, text):
    mine = _versions.Versions("0.1.0", "3.11.7", "2.4.6")
    monkeypatch.setattr(_versions, "versions", lambda: mine)
    with caplog.at_level(logging.WARNING):
        _versions._compare("worker w", replace(mine, **changed))
    assert [record.getMessage() for record in caplog.records] == ([text] if text else [])


def test_a_version_without_this_check_is_another_one():
    with pytest.raises(DeploymentError, match="the scheduler has a very different akkordeon_dask, this process "):
        _versions._compare("the scheduler", ImportError("No module named 'akkordeon_dask.runtime.cluster._versions'"))


class Silent:
    """Stands for a client of a cluster in which nobody answers."""

    scheduler, asked = SimpleNamespace(address="tcp://scheduler"), 0

    async def run(self, function, **options):
        self.asked += 1
        await asyncio.Event().wait()

    async def run_on_scheduler(self, function):
        return function()


def test_a_worker_that_does_not_answer_in_time_is_asked_again_the_next_time():
    client = Silent()
    with dask.config.set({"akkordeon.timeouts.connect": "1h"}):
        asyncio.run(_versions.check_versions(client, ["tcp://cold"], limit=0.01))
    with dask.config.set({"akkordeon.timeouts.connect": "10ms"}):
        asyncio.run(_versions.check_versions(client, ["tcp://cold"]))
    assert client.asked == 2 and _versions._checked[client] == {"the scheduler"}
