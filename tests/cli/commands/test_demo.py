"""`demo` as a user runs it, in processes of its own."""

import pytest
from distributed import Client
from safetensors.numpy import load_file

from tests.support.demo_records import end_of, parsed, passes_of
from tests.support.html_page import Page
from tests.support.leftovers import wait_until
from tests.support.programs import LINE, PATIENCE, run, running_cluster, started

DEMO = ("-m", "akkordeon_dask", "demo")
TRAINED = 0.8
"""An accuracy that two epochs on the sample reach with ease, and guessing never."""


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A run of two sentinels, and the file that it saved."""
    file = tmp_path_factory.mktemp("saved") / "digits.safetensors"
    few = ("--epochs", 2, "--sentinels", 2, "--concurrency", 1, "--validate-every", "200ms")
    done = run(*DEMO, "--json", *few, "--save", file)
    assert done.returncode == 0, done.stderr
    return done, file


@pytest.fixture(scope="module")
def records(story):
    return parsed(story[0].stdout)


def test_each_training_sentinel_has_its_share_of_the_data_in_every_epoch(records):
    passes = passes_of(records, "train")
    assert sorted((p["sentinel"], p["epoch"]) for p in passes) == [(f"train{i}", e) for i in (0, 1) for e in (1, 2)]
    assert {(p["samples"], p["lost"]) for p in passes} == {(5_000, 0)}


def test_a_pass_has_its_rate_and_a_share_as_accuracy(records):
    for record in records[:-1]:
        assert record["samples_per_s"] == pytest.approx(record["samples"] / record["seconds"])
        assert record["scores"].keys() == {"accuracy"}
        assert 0 <= record["scores"]["accuracy"] <= 1


def test_validation_rates_the_whole_test_split_beside_the_training(records):
    passes = passes_of(records, "validate")
    assert passes
    assert {p["samples"] for p in passes} == {2_000}
    assert [p["epoch"] for p in passes] == list(range(1, len(passes) + 1))


def test_the_end_is_the_last_test_pass_of_a_network_that_learned(records):
    end, (test,) = end_of(records), passes_of(records, "test")
    assert end["epochs"] == 2
    assert end["test"] == {"loss": test["loss"], "scores": test["scores"], "samples": 2_000}
    assert end["test"]["scores"]["accuracy"] > TRAINED
    assert end["seconds"] >= max(sum(p["seconds"] for p in records if p.get("sentinel") == f"train{i}") for i in (0, 1))


def test_with_json_the_text_goes_to_standard_error(story, records):
    text = story[0].stderr
    assert len(LINE.findall(text)) == len(records) - 1
    assert f"saved       {story[1]}" in text.splitlines()
    accuracy = end_of(records)["test"]["scores"]["accuracy"]
    assert f" test accuracy {accuracy:.4f} after 2 epochs" in text.splitlines()[-1]


def test_the_saved_file_holds_the_gates(story):
    shapes = sorted(array.shape for array in load_file(story[1]).values())
    assert shapes == sorted([(784, 50), (50,), (50, 20), (20,), (20, 10), (10,)])


def test_the_report_of_a_demo_has_every_pass(tmp_path):
    file = tmp_path / "run.html"
    done = run(*DEMO, "--json", "--epochs", 1, "--report", file)
    assert done.returncode == 0, done.stderr
    assert f"report      {file}" in done.stderr.splitlines()
    page = Page(file.read_text())
    assert page.resources == []
    passes = {(row[1], row[3]) for row in page.rows if len(row) == 11 and row[0] != "time"}
    assert passes == {(p["sentinel"], str(p["epoch"])) for p in parsed(done.stdout) if p["event"] == "pass"}
    assert {"train0", "test0"} < {row[0] for row in page.rows}


def test_demo_as_a_command_of_dask_prints_plain_lines_to_a_pipe():
    done = run("-m", "dask", "akkordeon", "demo", "--epochs", 1, "--dropout", "0.15,0.07", "--lr", "0.03,0.02,0.01")
    assert (done.returncode, done.stderr) == (0, "")
    head, rest = done.stdout.split("dashboard   http://127.0.0.1:", 1)
    assert "nn.Scale(33.3, 78.6) >> nn.Linear(784, 50) >> nn.ReLU() >> nn.Dropout(0.15)" in head
    assert "nn.Dropout(0.07), optim.DCASGDa(" in head
    assert "parameters  40,480\n" in head
    _, *passes, end = rest.splitlines()
    assert all(map(LINE.fullmatch, passes))
    assert [line.split()[0] for line in passes if "validate" not in line] == ["train0", "test0"]
    assert end.startswith("end ")


def test_the_gates_spread_over_worker_processes():
    done = run(*DEMO, "--json", "--epochs", 2, "--concurrency", 2, "--workers", 2)
    assert done.returncode == 0, done.stderr
    (placement,) = (line for line in done.stderr.splitlines() if line.startswith("placement"))
    assert len({part.split(" on ")[1] for part in placement.split(", ")}) == 2
    assert end_of(parsed(done.stdout))["test"]["scores"]["accuracy"] > TRAINED


def test_on_a_running_cluster_the_gates_are_on_its_workers_and_nothing_stays(tmp_path):
    with running_cluster(tmp_path) as cluster:
        done = run(*DEMO, "--json", "--epochs", 2, "--concurrency", 2, "--scheduler", cluster.address)
        with Client(cluster.address, timeout=20) as client:

            def keys():
                return client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks))

            wait_until(lambda: keys() == [], seen=keys)
    assert done.returncode == 0, done.stderr
    assert all(address in done.stderr for address in cluster.workers.values())
    assert end_of(parsed(done.stdout))["test"]["scores"]["accuracy"] > TRAINED


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nothing://127.0.0.1"])
def test_a_scheduler_that_nobody_reaches_is_one_line(address):
    done = run(*DEMO, "--scheduler", address, "--wait", "0", DASK_AKKORDEON__TIMEOUTS__CONNECT="500ms")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert address in line
    assert "dask scheduler" in line


def test_a_failure_while_it_trains_is_one_line():
    done = run(*DEMO, "--json", "--batch-size", 20_000)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("Error: batch_size=20000 is larger than the 10000 samples")
    assert "Traceback" not in done.stderr


def test_a_loss_that_runs_away_ends_the_run_and_names_the_sentinel():
    done = run(*DEMO, "--optimizer", "sgd", "--lr", "1e30", "--epochs", 3)
    assert done.returncode == 1
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("Error: "))
    assert "'train0'" in line
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_ends_the_demo_quietly():
    with started(*DEMO, "--epochs", 100_000, "--workers", 1) as process:
        assert process.stdout.readline().startswith("network")
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(PATIENCE) == 1
    assert said == ""


def test_a_wrong_option_has_exit_code_two():
    done = run(*DEMO, "--data", "cifar")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'cifar'" in done.stderr
