"""`top`: a network at work, until it ends."""

import pytest
from distributed import Client

from akkordeon_dask import deploy
from akkordeon_dask.cli.commands._network import network_named
from tests.support.dialogues import akkordeon, called, dask, joined_worker
from tests.support.leftovers import wait_until

TRAIN = ("--mode", "train", "--data", "mnist-sample")


def table(text):
    """The words of each line."""
    return [line.split() for line in text.splitlines()]


def test_once_it_shows_gates_and_sentinels_of_all_programs_at_work(digits, at):
    said, found = [], []

    def rows():
        done = called("top", "digits", *at, "--once")
        assert (done.exit_code, done.stderr) == (0, "")
        said[:] = table(done.stdout)
        found[:] = [words for words in said if words and words[0] in ("g0", "g1", "mine")]
        return found

    with akkordeon("sentinel", "digits", *TRAIN, "--as", "mine", "--epochs", 1000, *at) as guest:
        guest.passes(1)
        wait_until(lambda: [len(words) - words.count("-") for words in rows()] == [9, 9, 10], seen=lambda: said)
    g0, g1, mine = found  # not those of a later moment, when the next pass may have just begun
    assert said[0] == ["digits", "runs"]
    assert (g0[1], g1[1]) == ("alice", "bob")
    for gate in (g0, g1):
        busy, forward, backward, updates = (float(word.strip("%").replace(",", "")) for word in gate[2:6])
        assert 0 < busy <= 100 and forward > 0 and backward > 0 and updates > 0
    assert mine[1:3] == ["train", "running"]
    number, of = mine[3].split("/")
    assert int(number) >= 1 and of == "1000"
    assert mine[4].endswith("s") and 0 <= int(mine[5].removesuffix("%")) <= 100
    loss, accuracy = map(float, mine[-2:])
    assert loss > 0 and 0 <= accuracy <= 1
    assert next(words for words in said if words[:1] == ["sentinel"])[-2:] == ["loss", "accuracy"]


def test_into_a_pipe_it_writes_one_table_below_the_other_and_ctrl_c_is_a_good_end(digits, at):
    with akkordeon("top", "digits", *at, "--interval", "100ms") as top:
        top.line(lambda _: top.out.count("digits  runs") >= 3)
        assert top.interrupt() == 0
    assert top.err == []
    assert max(map(len, top.out)) <= 120


@pytest.mark.parametrize("name", ["short", "[red]short"])
def test_when_the_network_is_closed_it_says_so_and_ends(name, at, client, file, nothing_left):
    running = deploy(network_named(f"{file}:network"), client, name=name)
    with akkordeon("top", name, *at, "--interval", "100ms") as top:
        top.line(f"{name}  runs")
        # The first table may come before the gates have been reported.
        top.line("g0")
        running.close()
        assert top.end() == 0
    assert top.err == []
    assert top.out[-1] == f"network {name!r} has ended"
    done = called("top", name, *at, "--once")
    assert done.exit_code == 0
    assert done.stdout.startswith(f"{name}  ended at ") and done.stdout.endswith(f"network {name!r} has ended\n")
    nothing_left()


def test_a_network_without_a_name_of_its_own_can_be_watched_by_the_one_it_was_given(at, client, file, nothing_left):
    with deploy(network_named(f"{file}:network"), client) as running:
        assert called("top", running.name, *at, "--once").stdout.startswith(f"{running.name}  runs")
    nothing_left()


def test_an_unknown_name_is_one_line_with_those_there_are(digits, at):
    done = called("top", "digit", *at, "--wait", "0")
    assert (done.exit_code, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: no network named 'digit' runs on this cluster, there is ")
    assert "digits" in line


def test_a_scheduler_without_telemetry_gets_it_and_its_death_is_one_line(file):
    patience = {"DASK_AKKORDEON__TIMEOUTS__CONNECT": "2s"}
    with dask("scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard") as scheduler:
        address = scheduler.line(lambda line: "Scheduler at:" in line).split()[-1]
        at = ("--scheduler", address)
        assert "there is none: check the name" in called("top", "short", *at, "--wait", "0").stderr
        with joined_worker(address, "alice"), Client(address, timeout=20) as client:
            deploy(network_named(f"{file}:spread"), client, name="short")
            with akkordeon("top", "short", *at, "--interval", "100ms", **patience) as top:
                top.line("short  runs")
                scheduler.kill()
                assert top.end() == 1
    (line,) = top.err
    assert line.startswith(f"Error: the scheduler at '{address}' is gone")


@pytest.mark.parametrize("interval", ["0", "soon", "-1s"])
def test_an_interval_that_is_none_is_refused(interval, at):
    done = called("top", "digits", *at, f"--interval={interval}")
    assert done.exit_code == 2
    assert repr(interval) in done.stderr
