"""A program that ends without `close`, as by an error: its own traceback is all that it says."""

from pathlib import Path

import pytest

from akkordeon_dask import connect, stop
from tests.support.leftovers import wait_until
from tests.support.programs import run as run_python
from tests.support.workers import workers_now

PROGRAM = """
import sys

from distributed import Client

from akkordeon_dask import deploy
from tests.support.small_networks import NETWORK, train

if __name__ == "__main__":
    where, name = sys.argv[1:]
    client = None
    if where == "own cluster":
        client = Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0")
    elif where != "embedded":
        client = Client(where)
    running = deploy(NETWORK, client, name=name or None)
    running.attach(train())
    running.wait(epochs=1)
    raise ValueError("the user's mistake")
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    file = tmp_path_factory.mktemp("program") / "program.py"
    file.write_text(PROGRAM)
    return file


def run(program, *args):
    """With this folder's tests at hand."""
    return run_python(program, *args, PYTHONPATH=str(Path(__file__).parents[2]))


def only_its_traceback(ended):
    first, *_, last = ended.stderr.splitlines()
    assert (first, last) == ("Traceback (most recent call last):", "ValueError: the user's mistake"), ended.stderr
    assert ended.stderr.count("Traceback") == 1, ended.stderr
    assert (ended.returncode, ended.stdout) == (1, "")


@pytest.mark.parametrize(("where", "name"), [("embedded", ""), ("embedded", "known"), ("own cluster", "")])
def test_a_program_on_a_cluster_of_its_own_says_its_error_only(program, where, name):
    only_its_traceback(run(program, where, name))


def test_a_network_with_a_name_outlives_the_program_one_without_ends(program, processes):
    client = processes.client
    for name in ("", "known"):
        only_its_traceback(run(program, client.scheduler.address, name))
    with connect("known", client) as running:
        assert {*running.placement.values()} <= workers_now(client).keys()
    wait_until(lambda: len(processes.actors()) == len(running.placement), seen=processes.actors)
    stop("known", client)
    processes.nothing_left()
