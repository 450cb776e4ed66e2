"""Programs that are started in any order find one another."""

import json
from contextlib import ExitStack
from types import SimpleNamespace

import numpy as np
import pytest

from akkordeon_dask import config
from akkordeon_dask.cli import _wait
from akkordeon_dask.cli._connection import client_at
from akkordeon_dask.cli.options._cluster_options import ClusterAddress
from tests.support.dialogues import akkordeon, called, dask, joined_worker
from tests.support.programs import free_port

HOST = ("--host", "127.0.0.1", "--no-dashboard")
PATIENT = ("--wait", "10min")
"""For programs that are there long before the others: on a busy machine each of those takes a while to begin."""


def waits_for(program, missing):
    """The line in which a program says that it waits."""
    line = program.line(lambda line: line.startswith("waiting") and missing in line)
    assert line.startswith("waiting     up to ")
    return line


def test_sentinel_network_scheduler_and_workers_come_in_the_wrong_order(file, tmp_path):
    path = tmp_path / "scheduler.json"
    at = ("--scheduler-file", path)
    waits = (*at, *PATIENT)
    train = ("sentinel", "digits", "--mode", "train", "--data", "mnist-sample", "--epochs", 1)
    with ExitStack() as stack:
        guest = stack.enter_context(akkordeon(*train, *waits))
        rating = stack.enter_context(
            akkordeon("sentinel", "digits", "--mode", "test", "--data", "mnist-sample", "--worker", "carol", *waits)
        )
        top = stack.enter_context(akkordeon("top", "digits", "--interval", "100ms", *waits))
        waits_for(guest, f"there is no scheduler file '{path}'")
        scheduler = stack.enter_context(dask("scheduler", *HOST, "--port", 0, *at))
        address = scheduler.line(lambda line: "Scheduler at:" in line).split()[-1]
        waits_for(guest, "no network named 'digits' on this cluster, there is none")
        owner = stack.enter_context(akkordeon("network", f"{file}:network", "--name", "digits", *waits))
        waits_for(owner, "the cluster has no workers")
        stack.enter_context(joined_worker(address, "alice"))
        waits_for(owner, "asks for worker 'bob', the cluster has alice")
        stack.enter_context(joined_worker(address, "bob"))
        owner.line("join it")
        assert guest.end() == 0, guest.err
        assert guest.out[-1] == "end         sentinel train0 has left after 1 passes"
        waits_for(rating, "asks for worker 'carol'")
        stack.enter_context(joined_worker(address, "carol"))
        assert rating.end() == 0, rating.err
        top.line("digits  runs")
        assert top.interrupt() == 0
        assert owner.interrupt() == 0


def test_the_scheduler_of_an_address_is_waited_for(file):
    port = free_port()
    at = ("--scheduler", f"tcp://127.0.0.1:{port}")
    with akkordeon("demo", "--epochs", 1, "--json", *at, *PATIENT) as demo:
        waits_for(demo, f"no Dask scheduler answers at 'tcp://127.0.0.1:{port}'")
        with dask("scheduler", *HOST, "--port", port), joined_worker(at[1], "alice"):
            assert demo.end() == 0, demo.err
    assert json.loads(demo.out[-1])["event"] == "end"


def test_only_the_first_try_to_connect_is_brief(cluster):
    where = ClusterAddress(address=cluster.address, patience=_wait.WaitLimit(60))
    with client_at(where) as client:
        assert client.rpc.timeout == config.seconds("timeouts.connect") > _wait._BRIEF


@pytest.mark.parametrize("command", ["network", "sentinel"])
def test_ctrl_c_ends_the_wait_at_once(file, tmp_path, command):
    target = (f"{file}:network", "--name", "x") if command == "network" else ("x", "--data", "mnist", "--mode", "test")
    with akkordeon(command, *target, "--scheduler-file", tmp_path / "none.json", "--wait", "1h") as program:
        waits_for(program, "none.json")
        assert program.interrupt() == 130
    assert program.err[1:] == ["", "Interrupted: all that was started has ended."]


@pytest.mark.parametrize(
    ("args", "missing"),
    [
        (("network", "{file}:carols", "--name", "short"), "asks for worker 'carol', the cluster has alice"),
        (("sentinel", "nobody", "--mode", "test", "--data", "mnist-sample"), "no network named 'nobody'"),
        (("sentinel", "digits", "--mode", "test", "--data", "mnist-sample", "--worker", "dora"), "worker 'dora'"),
        (("top", "nobody"), "no network named 'nobody'"),
        (("predict", "nobody", "--input", "{file}.npy", "--output", "{file}.out"), "no network named 'nobody'"),
    ],
)
def test_when_the_time_is_over_the_error_names_the_missing_part(
    digits, at, file, samples, args, missing, only_pauses_take_time
):
    done = called(*(str(word).format(file=file) for word in args), *at, "--wait", "600ms")
    assert done.exit_code == 1
    waiting, error = done.stderr.splitlines()
    assert waiting.startswith("waiting     up to 1 s") and missing in waiting
    assert error.startswith("Error: ") and missing in error and error.endswith("(waited 0.6 s)")


@pytest.fixture
def only_pauses_take_time(monkeypatch):
    """The clock of a command that waits goes on while it pauses, and stands still while it tries, however long."""
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)

    def sleep(seconds):
        clock.now += seconds

    clock.sleep = sleep
    monkeypatch.setattr(_wait, "time", clock)
    monkeypatch.setattr(_wait, "_BRIEF", 20.0)


@pytest.fixture
def samples(file):
    np.save(f"{file}.npy", np.zeros((2, 784), np.float32))


def test_without_waiting_it_is_an_error_at_once(at):
    done = called("sentinel", "nobody", "--mode", "test", "--data", "mnist-sample", *at, "--wait", "0")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: no network named 'nobody' on this cluster") and "waited" not in line


def test_a_scheduler_file_leads_there_and_two_ways_there_are_refused(cluster, tmp_path):
    path = tmp_path / "scheduler.json"
    path.write_text(json.dumps({"address": cluster.address}))
    assert called("status", "--scheduler-file", path).exit_code == 0
    done = called("status", "--scheduler-file", path, "--scheduler", cluster.address)
    assert done.exit_code == 2
    both = f"--scheduler {cluster.address} and --scheduler-file {path} name two clusters"
    assert both in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("text", "message"),
    [("{}", "names no address of a scheduler, it holds {}"), ("[1", "is no whole JSON"), (None, "no")],
)
def test_a_scheduler_file_that_is_none_is_one_line(tmp_path, text, message):
    path = tmp_path / "scheduler.json"
    if text is not None:
        path.write_text(text)
    done = called("status", "--scheduler-file", path)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ") and str(path) in line and message in line
