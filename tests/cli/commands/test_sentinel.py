"""`sentinel`: joins a network from any process, and leaves nothing behind."""

import json
import os
import signal

import click
import pytest

from akkordeon_dask import Gate, connect, data, deploy, nn, optim, status
from akkordeon_dask.cli.commands._network import network_named
from akkordeon_dask.cli.options._data_option import data_set, parse_shard, sentinel_of
from akkordeon_dask.placement import GUEST
from tests.support.dialogues import akkordeon, called, joined_worker
from tests.support.leftovers import wait_until
from tests.support.programs import LINE
from tests.support.workers import workers_now

TRAIN = ("sentinel", "digits", "--mode", "train", "--data", "mnist-sample", "--batch-size", 100)


def contexts(running):
    return [running.statistics()[gate].contexts for gate in running.placement]


def updates(running):
    return running.statistics()["g1"].version


def test_a_training_sentinel_prints_a_line_for_each_epoch_over_its_share(digits, at):
    with akkordeon(*TRAIN, *at, "--epochs", 2, "--shard", "4/4", "--take", 3000, "--as", "last") as guest:
        assert guest.end() == 0
    first, *lines, end = guest.out
    assert first.startswith("sentinel    last on alice (tcp://") and first.endswith("works on network 'digits'")
    assert [(m["sentinel"], m["epoch"]) for m in map(LINE.fullmatch, lines)] == [("last", "1"), ("last", "2")]
    assert end == "end         sentinel last has left after 2 passes"
    assert guest.err == []


def test_a_sentinel_resumes_where_an_earlier_program_stopped(at, client, tmp_path):
    kept = ("sentinel", "kept", *TRAIN[2:], *at, "--as", "mine", "--take", 500)
    network = Gate(nn.Scale(33.3, 78.6) >> nn.Linear(784, 10), optim.SGD(0.01))
    with deploy(network, client, name="kept", snapshots=str(tmp_path)):
        for options, epochs in ((("--epochs", 2), [1, 2]), (("--epochs", 3, "--resume"), [3]), (("--epochs", 1), [1])):
            with akkordeon(*kept, *options, "--json") as guest:
                assert guest.end() == 0
            passes = [said for said in map(json.loads, guest.out) if said["event"] == "pass"]
            assert [(one["epoch"], one["samples"]) for one in passes] == [(epoch, 500) for epoch in epochs]


def test_a_test_is_one_pass_and_json_has_all_of_it(digits, at):
    test = ("sentinel", "digits", *at, "--mode", "test", "--data", "mnist-sample", "--worker", "bob", "--json")
    with akkordeon(*test) as guest:
        assert guest.end() == 0
    begin, report, end = map(json.loads, guest.out)
    assert (begin["event"], begin["network"], begin["sentinel"]) == ("sentinel", "digits", "test0")
    assert (report["event"], report["mode"], report["samples"], report["epoch"]) == ("pass", "test", 2000, 1)
    assert end == {"event": "end", "network": "digits", "sentinel": "test0", "passes": 1, "reason": "done"}
    assert LINE.search("\n".join(guest.err))


def test_a_sentinel_that_is_interrupted_or_killed_leaves_nothing_in_the_gates_and_the_others_go_on(digits, at, client):
    with (
        connect("digits", client) as running,
        akkordeon(*TRAIN, *at) as stays,
        akkordeon(*TRAIN, *at, "--concurrency", 4) as leaves,
        akkordeon(*TRAIN, *at, "--here", "--concurrency", 4) as dies,
    ):
        for guest in (stays, leaves, dies):
            guest.passes(1)
        assert leaves.interrupt() == 0
        assert leaves.out[-1].startswith("end         sentinel ") and leaves.err == []
        dies.kill()
        done = updates(running)
        wait_until(lambda: updates(running) > done + 300)
        assert stays.interrupt(signal.SIGTERM) == 0
        # A gate keeps what the killed one had in flight for four of its deadlines, which follow the round trips: long
        # ones on a busy machine, and 30 s before any was measured.
        wait_until(lambda: contexts(running) == [0, 0], seen=lambda: contexts(running))
        assert all(gate.mailbox.waiting == 0 for gate in running.statistics().values())


def test_a_sentinel_whose_program_is_killed_stops_at_once(digits, at, client):
    with connect("digits", client) as running, akkordeon(*TRAIN, *at, "--concurrency", 4) as dies:
        dies.passes(1)
        dies.kill()
        # While it works there may be no batch for a moment, between two passes.
        wait_until(lambda: not status(client, "digits")[0].sentinels)
        wait_until(lambda: contexts(running) == [0, 0], seen=lambda: contexts(running))
        done = updates(running)
        assert updates(running) == done


def workers(client):
    found = workers_now(client)
    return {worker["name"]: (address, worker["resources"]) for address, worker in found.items()}


def test_here_the_process_is_a_worker_that_takes_no_gates_and_no_tasks_until_it_ends(digits, at, client, file):
    with akkordeon(*TRAIN, *at, "--here", "--data", f"{file}:provider") as guest:
        guest.passes(1)
        (name,) = workers(client).keys() - {"alice", "bob"}
        address, resources = workers(client)[name]
        assert name.startswith("sentinel-") and name.endswith(f"-{guest.process.pid}")
        assert resources == {GUEST: 1}
        assert f"on {name} ({address}) works" in guest.out[0]
        with deploy(network_named(f"{file}:spread"), client) as running:
            assert address not in running.placement.values()
        ran = client.map(lambda number: os.getpid(), range(20), pure=False)
        assert guest.process.pid not in client.gather(ran)
        del ran
        assert guest.interrupt() == 0
        assert guest.err == []
    wait_until(lambda: workers(client).keys() == {"alice", "bob"})


def test_a_network_that_its_owner_closes_is_one_line(at, file, nothing_left):
    train = ("sentinel", "short", *TRAIN[2:], *at)
    with akkordeon("network", f"{file}:network", "--name", "short", *at) as owner:
        owner.line("join it")
        with akkordeon(*train, "--as", "one") as one, akkordeon(*train, "--as", "other", "--here") as other:
            one.passes(1)
            other.passes(1)
            assert owner.interrupt() == 0
            assert (one.end(), other.end()) == (1, 1)
    for program, name in ((one, "one"), (other, "other")):
        assert program.err == [f"Error: network 'short' was stopped: sentinel {name!r} ended with it"]
    nothing_left()


def test_an_interrupt_before_the_last_epoch_is_an_error(digits, at):
    with akkordeon(*TRAIN, *at, "--epochs", 10_000) as guest:
        guest.passes(1)
        assert guest.interrupt() == 130
    assert guest.err == ["", "Interrupted: all that was started has ended."]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("sentinel", "digit", "--mode", "test", "--data", "mnist-sample"), "no network named 'digit' on this cluster, "
         "there is digits: deploy it first"),
        ((*TRAIN, "--worker", "dora"), "sentinel 'train0' asks for worker 'dora', the cluster has alice ("),
        ((*TRAIN, "--batch-size", 100_000), "batch_size=100000 is larger than the 10000 samples"),
        ((*TRAIN, "--resume"), "network 'digits' keeps no snapshots, there is no position to resume: leave that out"),
        ((*TRAIN, "--batch-size", 100_000, "--here"), "batch_size=100000 is larger than the 10000 samples"),
    ],
)  # fmt: skip
def test_a_sentinel_that_cannot_be_attached_is_one_line(digits, at, args, message):
    done = called(*args, *at, "--wait", "0")
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ") and message in line


def test_a_sentinel_that_fails_is_said_once(digits, at, file):
    done = called("sentinel", "digits", "--mode", "train", "--data", f"{file}:breaks", *at)
    assert done.exit_code == 1
    assert done.output.count("ZeroDivisionError") == 1
    assert "ZeroDivisionError" in done.stderr


def test_a_name_that_is_taken_is_not_given_twice(digits, at):
    with akkordeon(*TRAIN, *at, "--as", "mine") as guest:
        guest.line("sentinel    mine")
        done = called(*TRAIN, *at, "--as", "mine")
        assert (done.exit_code, done.stdout) == (1, "")
        assert "has a sentinel 'mine' already, attached by client " in done.stderr


def test_programs_that_start_at_once_have_names_of_their_own_and_show_their_own_passes(digits, at):
    with akkordeon(*TRAIN, *at, "--take", 500) as one, akkordeon(*TRAIN, *at, "--take", 500) as other:
        names = [program.line("sentinel    ").split()[1] for program in (one, other)]
        assert sorted(names) == ["train0", "train1"]
        for program, name in zip((one, other), names, strict=True):
            program.passes(3)
            program.interrupt()
            shown = [match["sentinel"] for match in map(LINE.fullmatch, program.out) if match]
            assert set(shown) == {name}


def test_bad_files_on_the_worker_are_the_error_of_the_command(digits, cluster, at, tmp_path):
    (tmp_path / "mnist").mkdir()
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"):
        (tmp_path / "mnist" / name).write_bytes(b"nothing")
    with joined_worker(cluster.address, "carol", AKKORDEON_DATA=str(tmp_path)):
        done = called(*TRAIN, *at, "--data", "mnist", "--worker", "carol")
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ") and str(tmp_path) in line


@pytest.mark.parametrize(("text", "pair"), [("1/4", (0, 4)), ("4/4", (3, 4)), ("1/1", (0, 1)), (None, None)])
def test_shards_count_from_one(text, pair):
    assert parse_shard(None, None, text) == pair


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/", "/4", "a/b", "-1/4", "1/4/2", ""])
def test_a_text_that_is_no_shard_is_quoted(text):
    with pytest.raises(click.BadParameter, match=f"{text!r} is no share"):
        parse_shard(None, None, text)


def test_a_data_set_has_a_training_split_and_a_test_split(file):
    chosen = {"take": 100, "shard": (1, 2), "seed": 3}
    assert data_set("mnist", "train", chosen) == data.mnist("train", **chosen)
    assert data_set("mnist-sample", "validate", {}) == data.mnist_sample("test")
    assert sentinel_of(f"{file}:provider", "train", chosen).provider == data.mnist_sample("train", **chosen)


@pytest.mark.parametrize(
    ("source", "message"),
    [("cifar", "'cifar' is none of mnist-sample, mnist"), ("nets.py", r"write nets\.py:provider")],
)
def test_an_unknown_data_set_is_quoted(source, message):
    with pytest.raises(click.BadParameter, match=message):
        data_set(source, "train", {})


def test_a_shard_of_a_stream_is_refused(file):
    with pytest.raises(click.BadParameter, match="has no shard: leave out --shard"):
        sentinel_of(f"{file}:batches", "train", {"shard": (0, 2)})


def test_data_that_are_none_are_quoted_with_their_option():
    done = called("sentinel", "x", "--mode", "train", "--data", "cifar", "--scheduler", "tcp://x:1")
    assert done.exit_code == 2
    assert "Invalid value for '--data': 'cifar' is none of mnist-sample" in done.output


@pytest.mark.parametrize(("option", "value"), [("--as", "name"), ("--worker", "workers")])
def test_an_empty_name_is_refused(option, value):
    done = called(*TRAIN, "--scheduler", "tcp://x:1", option, "")
    assert done.exit_code == 1
    assert done.output.startswith(f"Error: a sentinel's {value} is a ") and "not ''" in done.output


def test_a_sentinel_is_on_one_worker():
    done = called(*TRAIN, "--scheduler", "tcp://x:1", "--here", "--worker", "alice")
    assert done.exit_code == 2
    assert "--here and --worker alice" in done.output
