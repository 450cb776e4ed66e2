"""Who answers at an address that is no scheduler's is named, by every command, in time."""

import errno
import socket
from pathlib import Path

import dask.config
import numpy as np
import pytest
from click.testing import CliRunner

from akkordeon_dask.cli import _wait
from akkordeon_dask.cli import akkordeon as group
from akkordeon_dask.cli._probe import dask_role, describe_peer
from tests.support.foreign_servers import closing, foreign_server, says, silent, web
from tests.support.programs import free_port, run

SSH = says(b"SSH-2.0-OpenSSH_9.2p1\r\n")
HALF = says((16).to_bytes(8, "little"))
SERVERS = [
    (web, "a web server answers there ('HTTP/1.1 400 Bad Request')"),
    (SSH, "another server answers there, it says 'SSH-2.0-OpenSSH_9.2p1'"),
    (silent, "something there takes connections and does not answer"),
    (HALF, "a server of Dask's is there and does not go on"),
    (says(b"\x15\x03\x01\x00\x02\x02\x46"), "a server that speaks TLS answers there"),
]


@pytest.mark.parametrize(("serve", "words"), SERVERS)
def test_a_server_that_is_none_of_dask_s_is_described(serve, words):
    with foreign_server(serve) as port:
        address = f"tcp://127.0.0.1:{port}"
        assert describe_peer(address, 0.3 if serve is silent else 6).startswith(words)
        with pytest.raises((OSError, MemoryError, ValueError)):
            dask_role(address, 0.3)


def test_a_peer_that_closes_or_is_not_there_is_not_described():
    with foreign_server(closing) as port:
        assert describe_peer(f"tcp://127.0.0.1:{port}", 10) is None
    with pytest.raises(ConnectionRefusedError):
        describe_peer(f"tcp://127.0.0.1:{port}", 10)
    assert describe_peer("inproc://1/2/3", 10) is None


def test_dask_s_servers_say_what_they_are(cluster):
    assert dask_role(cluster.address, 20) == "Scheduler"
    assert dask_role(cluster.workers["alice"], 20) == "Worker"


COMMANDS = {
    "demo": ["--epochs", "1"],
    "drain": ["x", "w"],
    "move": ["x", "g0", "w"],
    "network": ["nets.py:network", "--name", "x"],
    "pause": ["x"],
    "predict": ["x", "--input", "x.npy", "--output", "y.npy"],
    "report": ["x", "x.html"],
    "resume": ["x"],
    "save": ["x", "weights.safetensors"],
    "sentinel": ["x", "--mode", "train", "--data", "mnist-sample"],
    "snapshot": ["x"],
    "status": [],
    "stop": ["x"],
    "top": ["x"],
}
"""Arguments of each command that goes to a cluster."""


def test_each_command_that_goes_to_a_cluster_is_tried():
    assert set(COMMANDS) == set(group.commands) - {"data"}


@pytest.mark.parametrize(
    ("serve", "words", "connect"), [(*SERVERS[0], "6s"), (*SERVERS[2], "500ms")], ids=["web", "silent"]
)
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_ends_with_a_line_that_names_what_answers_there(
    command, serve, words, connect, tmp_path, monkeypatch
):
    """A fifth of the time to connect is for the answer, which has to come: so it is long where one comes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_wait, "_BRIEF", 20.0)  # the first try takes the whole time
    np.save("x.npy", np.zeros((2, 784), "f4"))
    Path("nets.py").write_text("from akkordeon_dask import Gate, nn, optim\nnetwork = Gate(nn.ReLU(), optim.SGD(0.1))")
    with foreign_server(serve) as port, dask.config.set({"akkordeon.timeouts.connect": connect}):
        at = ["--scheduler", f"tcp://127.0.0.1:{port}"]
        ended = CliRunner().invoke(group, [command, *COMMANDS[command], *at])
    assert ended.exit_code == 1
    assert ended.output.splitlines()[-1].startswith(
        f"Error: no Dask scheduler answers at 'tcp://127.0.0.1:{port}' ({words}"
    )


@pytest.mark.parametrize(
    ("serve", "connect", "remedy"),
    [
        (
            silent,
            "500ms",
            "one that runs there is busy: try again, or raise akkordeon.timeouts.connect; where none runs, ",
        ),
        (HALF, "2s", "one that runs there is busy: try again, or raise akkordeon.timeouts.connect; where none runs, "),
        (web, "6s", ""),
    ],
    ids=["silent", "half", "web"],
)
def test_a_server_that_may_be_a_busy_scheduler_is_told_apart_from_one_that_is_none(serve, connect, remedy):
    with foreign_server(serve) as port, dask.config.set({"akkordeon.timeouts.connect": connect}):
        ended = CliRunner().invoke(group, ["status", "--scheduler", f"tcp://127.0.0.1:{port}"])
    assert ended.exit_code == 1
    assert ended.output.endswith(f"): {remedy}start one with `dask scheduler`, which prints its address\n")


def test_a_program_ends_with_that_line_and_no_traceback():
    with foreign_server(web) as port:
        ended = run("-m", "dask", "akkordeon", "status", "--scheduler", f"127.0.0.1:{port}")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1 and "a web server answers there" in ended.stderr


def test_a_worker_s_address_is_no_scheduler_s(cluster):
    ended = run("-m", "dask", "akkordeon", "status", "--scheduler", cluster.workers["alice"])
    assert ended.returncode == 1 and "there is no Dask scheduler but a Worker: start one" in ended.stderr


def test_a_port_where_nobody_listens_is_refused_and_waited_for_in_one_line(monkeypatch):
    monkeypatch.setattr(_wait, "_BRIEF", 0.5)
    address = f"tcp://127.0.0.1:{free_port()}"
    with dask.config.set({"akkordeon.timeouts.connect": "1s"}):
        ended = CliRunner().invoke(group, ["top", "x", "--scheduler", address, "--wait", "1s"])
    waiting, error = ended.output.splitlines()
    refused = f"no Dask scheduler answers at '{address}' ([Errno {errno.ECONNREFUSED}] "
    assert waiting.startswith("waiting") and refused in waiting
    assert ended.exit_code == 1 and error.startswith(f"Error: {refused}")


def test_a_host_that_nobody_knows_is_said_to_be_unknown(monkeypatch):
    def unknown(*args, **options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with dask.config.set({"akkordeon.timeouts.connect": "1s"}):
        ended = CliRunner().invoke(group, ["status", "--scheduler", "tcp://schedular:8786"])
    assert ended.exit_code == 1
    assert "answers at 'tcp://schedular:8786' ([Errno -2] Name or service not known): start one" in ended.output
