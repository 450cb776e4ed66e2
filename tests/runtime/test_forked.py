"""A forked child that uses the network of its parent."""

from tests.support.programs import run

PROGRAM = """
import os, sys
from distributed import Client
from akkordeon_dask import deploy
from akkordeon_dask.errors import DeploymentError
from tests.support.small_networks import NETWORK

with Client(processes=False, n_workers=1, dashboard_address=None) as client, deploy(NETWORK, client) as running:
    child = os.fork()
    if child == 0:
        try:
            running.statistics()
        except DeploymentError as error:
            print(error, flush=True)
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""


def test_a_forked_child_learns_that_its_parents_client_does_not_work_there():
    done = run("-c", PROGRAM)
    assert done.returncode == 0, done.stderr
    assert "was forked from process" in done.stdout and "does not work here" in done.stdout


OWN_CLIENT = """
import os, signal, sys
from distributed import Client
from akkordeon_dask import connect, deploy
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, train

with Client(sys.argv[1]) as client, deploy(NETWORK, client, name="shared"):
    child = os.fork()
    if child == 0:
        signal.alarm(PATIENCE)
        with Client(sys.argv[1]) as own, connect("shared", own) as running:
            running.attach(train(epochs=1))
            print(len(running.wait(progress=False, mine=True)), flush=True)
        with deploy(NETWORK) as running:
            running.attach(train(epochs=2))
            print(len(running.wait(progress=False)), flush=True)
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""


def test_a_forked_child_with_a_client_of_its_own_trains(processes):
    done = run("-c", OWN_CLIENT, processes.client.scheduler.address)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "2"]
