"""`network`: deploys, stays until it is stopped, and cleans up."""

import json
import signal

import pytest
from safetensors.numpy import load_file

from akkordeon_dask import connect
from akkordeon_dask.cli.commands._network import network_named
from akkordeon_dask.errors import SpecError
from akkordeon_dask.network import Network
from tests.support.dialogues import akkordeon, called, dask, joined_worker
from tests.support.html_page import Page


def test_a_file_with_its_own_layers_runs_on_workers_that_lack_it_and_resumes_from_its_saved_parameters(
    cluster, at, file, client, tmp_path, nothing_left
):
    saved = tmp_path / "saved.safetensors"
    named = ("network", f"{file}:make", "--name", "mine", *at, "--save", saved)
    with akkordeon(*named) as owner:
        owner.line("join it")
        said = "\n".join(owner.out)
        assert "nn.Linear(784, 20) >> Leaky()" in said and "Mine(20, 10)" in said
        assert f"g0 on alice ({cluster.workers['alice']}), g1 on bob ({cluster.workers['bob']})" in said
        with akkordeon("sentinel", "mine", *at, "--mode", "train", "--data", f"{file}:batches", "--epochs", 2) as guest:
            assert guest.end() == 0, guest.err
        with connect("mine", client) as running:
            assert [gate.version for gate in running.statistics().values()] == [10, 10]
            trained = running.parameters()
        assert owner.interrupt() == 0
        assert owner.out[-2:] == [f"saved       {saved}", "end         network 'mine' is closed"]
        assert owner.err == []
    nothing_left()
    assert (load_file(saved)["g0.1.w"] == trained["g0"][1]["w"]).all()
    with akkordeon(*named, "--load", saved, "--json") as owner:
        owner.line("join it")
        with connect("mine", client) as running:
            assert (running.parameters()["g0"][1]["w"] == trained["g0"][1]["w"]).all()
        assert owner.interrupt(signal.SIGTERM) == 0
        up, end = map(json.loads, owner.out)
    assert up["gates"] == [
        {"gate": "g0", "worker": "alice", "address": cluster.workers["alice"]},
        {"gate": "g1", "worker": "bob", "address": cluster.workers["bob"]},
    ]
    assert (up["event"], up["network"], up["scheduler"], up["parameters"]) == (
        "network",
        "mine",
        cluster.address,
        15910,
    )
    assert end == {"event": "end", "network": "mine", "reason": "interrupted"}
    nothing_left()


def test_a_gate_that_is_lost_is_one_line_and_the_other_gate_is_closed(cluster, at, file, nothing_left):
    with (
        joined_worker(cluster.address, "carol") as carol,
        akkordeon("network", f"{file}:carols", "--name", "short", *at) as owner,
    ):
        owner.line("join it")
        carol.kill()
        assert owner.end() == 1
    (line,) = owner.err
    assert line.startswith("Error: gate 'last' on tcp://")
    assert "is gone" in line
    nothing_left()


def test_a_scheduler_that_dies_is_one_line_for_owner_and_sentinel(file):
    patience = {"DASK_AKKORDEON__TIMEOUTS__CONNECT": "2s"}
    with dask("scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard") as scheduler:
        address = scheduler.line(lambda line: "Scheduler at:" in line).split()[-1]
        at = ("--scheduler", address)
        with (
            joined_worker(address, "alice"),
            akkordeon("network", f"{file}:spread", "--name", "short", *at, **patience) as owner,
        ):
            owner.line("join it")
            train = ("sentinel", "short", "--mode", "train", "--data", f"{file}:numbers", *at)
            with akkordeon(*train, "--here", **patience) as guest:
                guest.passes(1)
                scheduler.kill()
                assert (owner.end(), guest.end()) == (1, 1)
    message = (
        f"Error: the scheduler at '{address}' is gone, and with it all that it held: "
        "look at its log, start it and its workers again, then this program"
    )
    assert owner.err == guest.err == [message]


def test_a_checkpoint_that_is_not_there_is_one_line_and_nothing_stays(at, file, tmp_path, nothing_left):
    done = called("network", f"{file}:network", "--name", "short", *at, "--load", tmp_path / "none.safetensors")
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: cannot read '") and "none.safetensors" in line
    nothing_left()


def test_a_name_that_is_taken_is_one_line(digits, at, file):
    done = called("network", f"{file}:network", "--name", "digits", *at)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: a network named 'digits' runs on this cluster")


def test_a_cluster_has_to_be_named(monkeypatch, file):
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    done = called("network", f"{file}:network", "--name", "x")
    assert done.exit_code == 2
    assert "--scheduler tcp://HOST:PORT" in done.output and "DASK_SCHEDULER_ADDRESS" in done.output


@pytest.mark.parametrize("name", ["network", "make", "spread"])
def test_a_network_is_a_value_or_comes_from_a_function(file, name):
    assert isinstance(network_named(f"{file}:{name}"), Network)


def test_a_module_is_imported():
    assert len(network_named("tests.support.small_networks:NETWORK")) == 2


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("{file}", r"does not say which name of which module: write MODULE:network or FILE\.py:network"),
        ("{folder}/nots.py:network", r"there is no file '.*nots\.py'"),
        ("{file}:net", r"nets\.py has no 'net', it has np, Leaky, .*network, spread"),
        ("{file}:number", r"nets\.py:number is 3, not a network"),
        ("{file}:broken", r"nets\.py:broken: ZeroDivisionError: division by zero \(.*nets\.py, line \d+\)"),
        ("{folder}/raises.py:network", r"raises\.py: ShapeError: gate 'g1' takes 3 .*raises\.py, line 2\)"),
        ("{folder}/mistyped.py:network", r"mistyped\.py: SyntaxError: "),
        ("{folder}/leaves.py:network", r"leaves\.py: SystemExit: 3"),
        ("{folder}/decodes.py:network", r"decodes\.py: JSONDecodeError: .* \(\S*decodes\.py, line 3\)$"),
        ("no_such_module:network", "no_such_module: ModuleNotFoundError: No module named 'no_such_module'$"),
        ("nets:network", r"No module named 'nets'.*there is a file: write nets\.py:network"),
    ],
)
def test_a_target_that_is_no_network_is_quoted(file, tmp_path, monkeypatch, target, message):
    monkeypatch.chdir(file.parent)
    (tmp_path / "raises.py").write_text(
        "from akkordeon_dask import Gate, nn, optim\n"
        "network = Gate(nn.Linear(2, 4), optim.SGD(0.1)) | Gate(nn.Linear(3, 2), optim.SGD(0.1))\n"
    )
    (tmp_path / "mistyped.py").write_text("network = (\n")
    (tmp_path / "leaves.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "decodes.py").write_text("import json\n\nnetwork = json.loads('{')\n")
    folder = tmp_path
    with pytest.raises(SpecError, match=message):
        network_named(target.format(file=file, folder=folder))


def test_a_network_writes_its_report_at_the_end(at, file, tmp_path, nothing_left):
    path = tmp_path / "run.html"
    with akkordeon("network", f"{file}:network", "--name", "reported", "--seed", 7, *at, "--report", path) as owner:
        owner.line("join it")
        assert owner.interrupt() == 0
    assert owner.out[-2:] == [f"report      {path}", "end         network 'reported' is closed"]
    assert ["seed", "7"] in Page(path.read_text()).rows
    nothing_left()


def test_a_second_owner_of_the_same_snapshots_is_refused_or_takes_over(at, file, tmp_path, nothing_left):
    kept = ("--snapshots", tmp_path / "kept", "--snapshot-every", 1)
    resumed = ("network", f"{file}:make", "--name", "second", *at, "--resume", tmp_path / "kept", "--wait", 0)
    with akkordeon("network", f"{file}:make", "--name", "first", *at, *kept) as first:
        first.line("join it")
        with akkordeon(*resumed) as second:
            assert second.end() == 1
        (said,) = second.err
        assert "is written by network 'first' of program " in said
        assert "take the network over by adopt('first', client), `dask akkordeon network --adopt first`" in said
        with akkordeon(*resumed, "--take-over") as second:
            second.line("join it")
            first.line("superseded")
            assert second.interrupt() == 0
        assert first.interrupt() == 0
    nothing_left()
