"""The examples, run as their README says, on the sample."""

import re
from pathlib import Path

import pytest

from tests.support.programs import LINE, run, running_cluster

EXAMPLES = Path(__file__).parents[1] / "examples"
FILES = sorted(EXAMPLES.glob("*.py"))
LONGER = {"torch_cnn.py": 70, "language_model.py": 240}
"""Lines of examples that hold a module of torch too."""
README = (EXAMPLES / "README.md").read_text(encoding="utf-8")


def trained(file, *args):
    """Run an example, for two epochs where `args` say no others; gives what it said, and its passes."""
    done = run(file, "--epochs", 2, *args)
    assert (done.returncode, done.stderr) == (0, "")
    accuracy = re.search(r"^test accuracy (\S+)$", done.stdout, re.MULTILINE)
    assert accuracy is not None
    assert float(accuracy[1]) > 0.8
    assert re.search(r"^dashboard: http://127\.0\.0\.1:\d+/akkordeon\?network=\S+$", done.stdout, re.MULTILINE)
    return done.stdout, [found["sentinel"] for found in LINE.finditer(done.stdout)]


def test_the_simple_one_trains():
    _, passes = trained(EXAMPLES / "simple.py")
    assert passes.count("train0") == 2
    assert "validate0" in passes


def test_several_sentinels_train_at_once():
    _, passes = trained(EXAMPLES / "several_sentinels.py", "--every", "100ms")
    assert {name: passes.count(name) for name in passes if "train" in name} == dict.fromkeys(
        ("train0", "train1", "train2"), 2
    )
    assert "validate0" in passes


def test_lenet_trains_on_two_workers():
    said, passes = trained(EXAMPLES / "lenet.py", "--epochs", 4)  # its first one hardly learns
    assert passes.count("train0") == 4
    assert "convolutions.5    nn.Conv2d(6, 16, 5)" in said


@pytest.mark.parametrize("net", ["dense", "convolutional"])
def test_the_networks_for_fashion_train(net):
    _, passes = trained(EXAMPLES / "fashion.py", "--net", net)
    assert passes.count("train0") == 2


def test_on_a_cluster_each_gate_is_where_it_asked_to_be(tmp_path):
    with running_cluster(tmp_path, dashboard="127.0.0.1:0") as cluster:
        said, _ = trained(EXAMPLES / "cluster.py", cluster.address, "--workers", "bob", "alice")
    placement = dict(re.findall(r"^gate (\S+) on (\S+)$", said, re.MULTILINE))
    alice, bob = cluster.workers["alice"], cluster.workers["bob"]
    assert placement == {"g0": bob, "g1": alice, "g2": alice}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_an_example_is_short_and_the_readme_runs_it(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= LONGER.get(file.name, 60)
    assert README.count(f".venv/bin/python examples/{file.name}") == 3


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_options_that_the_readme_shows_exist(file):
    if "import torch" in file.read_text():
        pytest.importorskip("torch")
    helped = run(file, "--help").stdout
    shown = {
        option
        for line in README.splitlines()
        if f"examples/{file.name}" in line
        for option in re.findall(r"--[a-z-]+", line)
    }
    assert shown
    assert all(option in helped for option in shown)
    choices = re.search(r"--data \{(.+?)\}", helped)
    assert choices is None or {*choices[1].split(",")} <= {"mnist-sample", "mnist", "fashion-mnist"}
