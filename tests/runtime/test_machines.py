"""Stories of a network over four machines: a scheduler, two workers and a client, each with its own address."""

import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from akkordeon_dask.actors.transport._host import host_identity
from tests.support.leftovers import wait_until
from tests.support.machines import joined
from tests.support.multi_machine_cluster import HOSTS, far_cluster
from tests.support.multi_machine_stories import FarStories, travel
from tests.support.multi_machine_user import BATCH, NAMES, SAMPLES
from tests.support.patience import PATIENCE
from tests.support.programs import started

DELAY = 5


@pytest.fixture(scope="module")
def far(tmp_path_factory):
    """The cluster."""
    with joined(*HOSTS) as machines, far_cluster(machines, tmp_path_factory.mktemp("far"), {}) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def journey(far):
    """A training on it."""
    return travel(far)


class TestMachines(FarStories):
    @pytest.mark.parametrize("name", NAMES)
    def test_without_tls_who_listens_reads_every_name(self, far, journey, name):
        assert journey.alice.shows(name.encode(), *self.workers(far))

    def test_without_tls_who_listens_reads_every_array(self, far, journey):
        assert len(journey.predictions) == 640
        assert journey.alice.shows(journey.predictions, *self.workers(far))

    def test_over_a_slow_link_every_batch_waits_for_it(self, far):
        with far.machines.delayed("bob", DELAY), far.user("--epochs", 1, "--concurrency", 1) as user:
            user.finish()
        (report,) = user.passes()
        assert report["samples"] == SAMPLES
        assert report["seconds"] > SAMPLES // BATCH * DELAY / 1000


PARTED = """
import sys
from distributed import Client
from akkordeon_dask import deploy
from akkordeon_dask.errors import DeploymentError
from tests.support.multi_machine_user import network
from tests.support.patience import PATIENCE, scaled
limit = scaled(1)
with Client(sys.argv[1], timeout=PATIENCE) as client:
    client.wait_for_workers(2, timeout=PATIENCE)
    client.run(lambda: __import__("dask").config.set({"akkordeon.timeouts.connect": limit}))
    try:
        deploy(network(), client, name="parted")
    except DeploymentError as error:
        print(error)
    print(sorted(client.list_datasets()))
"""


def test_promise_12_workers_that_do_not_reach_each_other_are_named_before_training(far):
    addresses = far.machines.addresses
    with far.machines.parted("alice", "bob"), far.run("client", "parted", "-c", PARTED, far.scheduler) as user:
        text, names = user.succeed(within=PATIENCE)
    assert text.startswith("workers cannot connect to each other: ") and names == "[]"
    assert (
        f"gate 'pippin' on tcp://{addresses['alice']}:" in text
        and f"gate 'quince' on tcp://{addresses['bob']}:" in text
    )


PARENT = """
import subprocess, sys
print(subprocess.Popen(["sleep", "1000"], start_new_session=True).pid, flush=True)
sys.stdin.read()
"""
MAKER = """
import pathlib, sys, time
from tests.support.machines import joined
with joined("lonely") as machines, machines.start("lonely", pathlib.Path(sys.argv[1]), "sleeper", "sleep", "1000"):
    print("up", flush=True)
    time.sleep(1000)
"""


IDENTITY = "from akkordeon_dask.actors.transport._host import host_identity; print(host_identity())"


def test_machines_of_one_kernel_are_hosts_of_their_own(tmp_path):
    with joined("east", "west") as machines:
        told = []
        for host in ("east", "west", "west"):
            with machines.start(host, tmp_path, f"{host}{len(told)}", sys.executable, "-c", IDENTITY) as process:
                told += process.succeed(within=PATIENCE)
    assert len({*told, str(host_identity())}) == 3 and told[1] == told[2]


def test_a_host_goes_with_all_that_runs_on_it_when_a_test_fails(tmp_path):
    with ExitStack() as stack:
        stack.push(lambda kind, *error: kind is ZeroDivisionError)
        machines = stack.enter_context(joined("lonely"))
        with machines.start("lonely", tmp_path, "parent", sys.executable, "-c", PARENT) as parent:
            wait_until(lambda: bool(parent.lines), seen=lambda: parent.log)
        # A zombie has none: who adopts orphans may be slow to bury them.
        orphan = Path("/proc", parent.lines[0], "exe")
        assert orphan.exists() and len(machines.left()) == 2
        raise ZeroDivisionError
    assert not orphan.exists()
    assert not machines.left()


def test_hosts_whose_maker_was_killed_go_with_the_next_ones(tmp_path):
    with joined("another"), started("-c", MAKER, tmp_path) as maker:
        assert maker.stdout.readline() == "up\n"
        maker.send_signal(signal.SIGKILL)
        maker.wait(timeout=PATIENCE)
        left = list(Path("/run/netns").glob(f"akk-{maker.pid}-*"))
        assert len(left) == 2
        with joined("lonely"):
            assert not any(path.exists() for path in left)
