"""`status` and `stop`: networks, whoever owns them, and their end."""

import asyncio
import json
import os
import re
import signal

import pytest
from distributed import Client

import akkordeon_dask
from akkordeon_dask import connect, deploy
from akkordeon_dask.cli.commands._network import network_named
from akkordeon_dask.errors import ClosedError, DeploymentError
from tests.support.dialogues import akkordeon, called, joined_worker
from tests.support.leftovers import wait_until
from tests.support.programs import run
from tests.support.small_networks import NETWORK
from tests.support.workers import workers_now

TRAIN = ("sentinel", "digits", "--mode", "train", "--data", "mnist-sample")


def said(*args, **env):
    """The output of a command that ends by itself without an error."""
    done = called(*args, **env)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout.removesuffix("\n")


def test_it_shows_the_gates_and_the_sentinels_of_all_programs(digits, at, cluster, client):
    with akkordeon(*TRAIN, *at) as one, akkordeon(*TRAIN, *at, "--here", "--as", "mine") as other:
        one.passes(1)
        other.passes(1)
        figures = []

        def known():
            figures[:] = akkordeon_dask.status(client, "digits")
            (network,) = figures
            return len(network.sentinels) == 2 and all(gate.samples_per_s > 0 for gate in network.gates)

        wait_until(known, seen=lambda: figures)
        with akkordeon("status", *at) as shown:
            assert shown.end() == 0
        table = "\n".join(shown.out)
        (network,) = json.loads(said("status", "digits", *at, "--json"))["networks"]
    header, *rows = (line for line in table.splitlines() if "│" in line or "owner" in line)
    assert header.startswith("digits  owner Client-")
    assert [row.split("│")[1].strip() for row in rows] == ["g0", "g1", "mine", "train0"]
    assert [row.split("│")[2].strip() for row in rows[:2]] == ["alice", "bob"]
    assert max(map(len, table.splitlines())) <= 120
    assert network["owner"] in header
    assert re.search(r"(?m)^g0, g1 update by optim\.", table)
    assert [(gate["name"], gate["address"], gate["state"]) for gate in network["gates"]] == [
        ("g0", cluster.workers["alice"], "running"),
        ("g1", cluster.workers["bob"], "running"),
    ]
    for gate in network["gates"]:
        assert gate["version"] > 0 and gate["samples_per_s"] > 0 and gate["updates_per_s"] > 0
        assert 0 < gate["busy"] <= 1
        assert 0 <= gate["delay"] <= gate["largest_delay"] and gate["policy"].startswith("optim.")
    mine, train = network["sentinels"]
    assert (mine["name"], mine["mode"], train["worker"]) == ("mine", "train", "alice")
    assert mine["worker"].startswith("sentinel-")
    assert train["report"]["samples"] == 10_000 and train["report"]["samples_per_s"] > 0


@pytest.mark.parametrize("command", [("status", "größe"), ("top", "größe", "--once")], ids=["status", "top"])
def test_letters_that_the_encoding_of_the_output_lacks_are_escaped(command, at, client):
    with deploy(NETWORK, client, name="größe"):
        with akkordeon(*command, *at, PYTHONIOENCODING="ascii") as shown:
            assert shown.end() == 0
        assert shown.out[0].startswith(r"gr\xf6\xdfe  ") and shown.err == []


def states(client, name):
    """The states of the gates."""
    (network,) = akkordeon_dask.status(client, name)
    return [gate.state for gate in network.gates]


def test_a_network_whose_owner_was_killed_has_none_and_can_be_stopped_twice(at, file, client, nothing_left):
    with akkordeon("network", f"{file}:network", "--name", "orphan", *at) as owner:
        owner.line("join it")
        owner.kill()
    with akkordeon("sentinel", "orphan", "--mode", "train", "--data", "mnist-sample", *at) as guest:
        guest.passes(1)
        assert said("status", "orphan", *at).startswith("orphan  no owner")
        assert said("stop", "orphan", *at) == "network 'orphan' has ended"
        assert guest.end() == 1
    assert guest.err == ["Error: network 'orphan' was stopped: sentinel 'train0' ended with it"]
    nothing_left()
    assert said("stop", "orphan", *at).startswith("no network named 'orphan' on this cluster, there is ")


def test_the_owner_of_a_stopped_network_saves_it_and_ends_well(at, file, client, tmp_path, nothing_left):
    saved = tmp_path / "saved.safetensors"
    with (
        deploy(network_named(f"{file}:network"), client, name="other") as other,
        akkordeon("network", f"{file}:network", "--name", "mine", *at, "--save", saved) as owner,
    ):
        owner.line("join it")
        with connect("mine", client) as guest:
            assert akkordeon_dask.stop("mine", client)
            with pytest.raises(ClosedError):
                guest.wait(epochs=1)
        assert owner.end() == 0, owner.err
        end = "end         network 'mine' was stopped or adopted by somebody else"
        assert owner.out[-2:] == [f"saved       {saved}", end]
        assert saved.stat().st_size > 0
        assert not akkordeon_dask.stop("mine", client)
        assert akkordeon_dask.status(client, "other")[0].owner == client.id
        assert other.parameters()
    nothing_left()


def test_the_name_of_a_stopped_network_is_free_and_its_former_owner_leaves_the_new_one_alone(
    client, file, nothing_left
):
    network = network_named(f"{file}:network")
    with deploy(network, client, name="again") as former:
        assert akkordeon_dask.stop("again", client)
        with deploy(network, client, name="again") as present:
            former.close()
            assert [one.name for one in akkordeon_dask.status(client, "again")] == ["again"]
            assert present.parameters()
    nothing_left()


def test_with_an_asynchronous_client_both_are_awaited(cluster, client, file, nothing_left):
    async def show_and_stop():
        async with Client(cluster.address, asynchronous=True) as mine:
            networks = await akkordeon_dask.status(mine, "mine")
            return networks, await akkordeon_dask.stop("mine", mine), await akkordeon_dask.stop("mine", mine)

    with deploy(network_named(f"{file}:network"), client, name="mine"):
        (network,), first, second = asyncio.run(show_and_stop())
        assert (network.name, network.owner, first, second) == ("mine", client.id, True, False)
    nothing_left()


def test_a_worker_that_hangs_gives_no_answer_and_one_that_is_gone_is_lost(at, cluster, client, file, nothing_left):
    with joined_worker(cluster.address, "carol") as carol:
        running = deploy(network_named(f"{file}:carols"), client, name="short")
        assert states(client, "short") == ["running", "running"], "at once, before any heartbeat"
        os.kill(carol.process.pid, signal.SIGSTOP)
        wait_until(lambda: states(client, "short") == ["running", "no answer"], seen=lambda: states(client, "short"))
        carol.kill()
    wait_until(lambda: len(workers_now(client)) == 2)
    assert states(client, "short") == ["running", "lost"]
    assert "lost" in said("status", "short", *at)
    running.close()
    nothing_left()


def test_an_unknown_name_is_one_line(digits, at, client):
    done = called("status", "digit", *at)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: no network named 'digit' on this cluster, there is digits: deploy it first\n"
    with pytest.raises(DeploymentError, match="there is digits"):
        akkordeon_dask.status(client, "digit")


_CLOSED = "import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"


@pytest.mark.parametrize("command", [("status",), ("status", "--json"), ("top", "digits", "--once")], ids=" ".join)
def test_a_command_without_a_standard_output_ends_well(command, digits, at):
    done = run("-c", _CLOSED, "-m", "dask", "akkordeon", *command, *at)
    assert (done.returncode, done.stderr) == (0, "")
