"""Options, defaults and help, in this process: nothing is trained."""

import shlex

import click
import pytest
from click.testing import CliRunner

import akkordeon_dask
from akkordeon_dask import Sentinel, data
from akkordeon_dask.cli import akkordeon
from akkordeon_dask.cli.commands._network import network_named
from akkordeon_dask.cli.options._cluster_options import ClusterAddress
from akkordeon_dask.cli.options._network_options import resume_command
from akkordeon_dask.cli.options._param_types import gate_values
from tests.support.for_each import for_each

DEMO = akkordeon.commands["demo"]
WANTED = [
    "--data", "--sizes", "--optimizer", "--lr", "--dropout", "--batch-size", "--concurrency", "--accumulate",
    "--n-microbatches", "--sentinels", "--epochs", "--seed", "--workers", "--scheduler", "--scheduler-file", "--tls",
    "--wait", "--validate-every", "--save", "--report", "--json", "--debug",
]  # fmt: skip


def call(*args):
    return CliRunner().invoke(akkordeon, args)


def test_demo_has_exactly_these_options():
    assert [option.opts[0] for option in DEMO.params] == WANTED


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_teaches_every_option_with_its_default_and_shows_examples(flag):
    done = call("demo", flag)
    assert done.exit_code == 0
    text = " ".join(done.output.split())
    for option in DEMO.params:
        assert option.help
        assert f" {option.opts[0]} " in text
        if isinstance(option.default, str | int) and not option.is_flag:
            assert f"default: {option.default}" in text
    assert text.count("dask akkordeon demo") >= 5


@pytest.mark.parametrize("args", [("-h",), ("demo", "-h"), ("data", "-h")])
def test_help_keeps_within_eighty_columns(args):
    assert max(map(len, call(*args).output.splitlines())) <= 80


def test_the_group_lists_its_commands():
    assert {"demo", "data"} <= {line.split()[0] for line in call("-h").output.splitlines() if line.strip()}


@for_each(
    "option, value",
    [
        ("--data", "cifar"),
        ("--sizes", "784,x"),
        ("--sizes", "784,-5,10"),
        ("--sizes", "784"),
        ("--sizes", "100,10"),
        ("--sizes", "784,9"),
        ("--sizes", ""),
        ("--optimizer", "lion"),
        ("--lr", "0"),
        ("--lr", "-1,1,1"),
        ("--lr", "nan"),
        ("--lr", "inf"),
        ("--lr", "0.1,0.2"),
        ("--dropout", "1"),
        ("--dropout", "-0.1"),
        ("--dropout", "0.1,0.1,0.1"),
        ("--batch-size", "0"),
        ("--concurrency", "0"),
        ("--sentinels", "0"),
        ("--n-microbatches", "0"),
        ("--epochs", "1.5"),
        ("--seed", "-1"),
        ("--workers", "-1"),
        ("--validate-every", "soon"),
    ],
)
def test_a_value_out_of_range_is_quoted_with_its_option(option, value):
    done = call("demo", option, value)
    assert done.exit_code == 2
    said = done.output.splitlines()[-1]
    assert f"Invalid value for '{option}'" in said
    assert (value or "''") in said


def test_a_cluster_is_started_or_found_but_not_both():
    done = call("demo", "--workers", "2", "--scheduler", "tcp://127.0.0.1:8786")
    assert done.exit_code == 2
    assert "--workers 2" in done.output
    assert "--scheduler tcp://127.0.0.1:8786" in done.output


def test_the_version_is_printed():
    done = CliRunner().invoke(akkordeon, ["--version"])
    assert (done.exit_code, done.output) == (0, f"akkordeon_dask, version {akkordeon_dask.__version__}\n")


def test_demo_sentinel_and_python_have_the_same_defaults():
    plain = Sentinel.validate(data.mnist_sample("test"))
    for command, every in ((DEMO, "validate_every"), (akkordeon.commands["sentinel"], "every")):
        options = {option.name: option for option in command.params}
        assert options["batch_size"].default == plain.batch_size
        assert options["concurrency"].default == plain.concurrency
        assert options[every].type_cast_value(None, options[every].default) == f"{plain.every:g}s"


@for_each(
    "args",
    [
        ("demo", "--save", "~nobody-here/x"),
        ("demo", "--report", "~nobody-here/x"),
        ("network", "--name", "x", "--snapshots", "~nobody-here/x"),
        ("predict", "x", "--output", "~nobody-here/x", "--input", "x"),
        ("status", "--scheduler-file", "~nobody-here/x"),
        ("status", "--tls", "~nobody-here/x"),
        ("report", "x", "~nobody-here/x"),
        ("save", "x", "~nobody-here/x"),
    ],
)
def test_the_home_of_somebody_unknown_is_refused_by_every_option_with_a_path(args):
    done = call(*args)
    assert done.exit_code == 2
    assert "begins with the home of an unknown user" in " ".join(done.output.split())


@for_each(
    "args",
    [
        ("network", "n.py:net", "--name", "x", "--snapshot-every", "9" * 5_000),
        ("sentinel", "x", "--data", "mnist", "--report-every", "9" * 5_000),
        ("sentinel", "x", "--data", "mnist", "--shard", f"1/{'9' * 5_000}"),
        ("sentinel", "x", "--data", "mnist", "--scores", f"top{'9' * 5_000}"),
        ("sentinel", "x", "--data", f"{'x' * 5_000}.py:data"),
        ("network", f"{'x' * 5_000}.py:net", "--name", "x"),
        ("network", "..:net", "--name", "x"),
        ("save", "x", "x" * 5_000, "--scheduler", "tcp://127.0.0.1:1"),
        ("status", "--tls", "x" * 5_000),
        ("status", "--scheduler-file", "x" * 5_000),
    ],
)
def test_no_word_on_the_command_line_is_too_long_or_too_odd_for_an_answer(args):
    end = () if "--scheduler-file" in args or "tcp://127.0.0.1:1" in args else ("--scheduler", "tcp://127.0.0.1:1")
    done = call(*args, *end)
    assert isinstance(done.exception, SystemExit) and done.exit_code in (1, 2) and "Error: " in done.output


def test_a_scheduler_file_of_endless_brackets_is_no_whole_json(tmp_path):
    (tmp_path / "scheduler.json").write_text("[" * 100_000)
    done = call("status", "--scheduler-file", str(tmp_path / "scheduler.json"))
    assert done.exit_code == 1 and "is no whole JSON" in done.output


def test_a_file_of_ones_own_and_its_results_may_be_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    text = "from akkordeon_dask import Gate, nn, optim\nnetwork = Gate(nn.ReLU(), optim.SGD(1))"
    (tmp_path / "net.py").write_text(text)
    assert len(network_named("~/net.py:network")) == 1
    save = {option.name: option for option in DEMO.params}["save"]
    assert save.callback(None, save, "~/run.safetensors") == str(tmp_path / "run.safetensors")
    assert save.callback(None, save, "s3://bucket/~run") == "s3://bucket/~run"


def test_a_folder_is_refused_as_a_file_to_write(tmp_path):
    done = call("demo", "--save", "--report", str(tmp_path))
    assert done.exit_code == 2
    assert str(tmp_path) in "".join(done.output.splitlines())


def test_a_file_that_cannot_be_written_is_refused_before_anything_begins(tmp_path):
    (tmp_path / "file").write_text("precious")
    for path in (tmp_path / "file" / "below", "/proc/run.html"):
        done = call("demo", "--report", str(path))
        assert done.exit_code == 2 and "cannot be written" in " ".join(done.output.split())
    new = tmp_path / "new" / "folder" / "run.html"
    (option,) = (one for one in DEMO.params if one.name == "report")
    for path in (str(new), "/dev/null"):
        assert option.process_value(click.Context(DEMO), path) == path
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_validation_after_epochs_of_nobody_is_refused():
    done = call("demo", "--sentinels", "2", "--validate-every", "epoch of nobody")
    assert done.exit_code == 2 and "those are train0, train1" in " ".join(done.output.split())


def test_one_value_is_for_all_gates_or_there_is_one_each():
    assert gate_values("--lr", (0.5,), 3) == (0.5, 0.5, 0.5)
    assert gate_values("--lr", (0.1, 0.2), 2) == (0.1, 0.2)
    assert gate_values("--dropout", (0.5,), 0) == ()
    with pytest.raises(click.BadParameter, match=r"'0\.1,0\.2' has 2 values, there are 3 gates"):
        gate_values("--lr", (0.1, 0.2), 3)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--adopt", "digits", "--name", "other"], "stands instead of TARGET and --name"),
        (["net.py:network", "--adopt", "digits"], "stands instead of TARGET and --name"),
        (["net.py:network"], "TARGET and --name are needed"),
        (["--name", "digits"], "TARGET and --name are needed"),
        (["--adopt", "digits", "--resume", "there"], "leave --snapshots, --snapshot-every, --resume and"),
        (["--adopt", "digits", "--take-over"], "leave --snapshots, --snapshot-every, --resume and --take-over out"),
        (["--adopt", "digits", "--snapshot-every", "5s"], "keeps the network's own snapshots: leave"),
        (["--adopt", "digits", "--n-microbatches", "4"], "leave --n-microbatches out"),
        (["net.py:network", "--name", "digits", "--snapshot-every", "5s"], "--snapshot-every is for snapshots"),
        (["net.py:network", "--name", "digits", "--take-over"], "--take-over is for snapshots, and none are written"),
    ],
)
def test_a_network_is_deployed_or_adopted(args, said):
    result = CliRunner().invoke(akkordeon, ["network", "--scheduler", "tcp://127.0.0.1:1", *args])
    assert result.exit_code == 2 and said in " ".join(result.output.split())


def test_the_command_that_resumes_can_be_pasted_into_a_shell():
    where = ClusterAddress(address="tcp://scheduler:8786")
    again = resume_command("my nets.py:network", "digits", where, "/shared/my digits")
    assert shlex.split(again)[:6] == ["dask", "akkordeon", "network", "my nets.py:network", "--name", "digits"]
    assert shlex.split(again)[-2:] == ["--resume", "/shared/my digits"]
    assert resume_command("net.py:network", "digits", where, None) is None
    again = resume_command("net.py:network", "digits", ClusterAddress(file="/shared/my file.json"), "/shared/digits")
    assert shlex.split(again)[6:8] == ["--scheduler-file", "/shared/my file.json"]
