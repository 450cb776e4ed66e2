"""The layer of the guide, and the program that trains it on a cluster."""

import re
from pathlib import Path

import pytest

from tests.support.programs import run, running_cluster

GUIDE = Path(__file__).parents[2] / "docs/guides/layers.md"
MODULE, PROGRAM = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
NAME = MODULE.splitlines()[0].removeprefix("# ")
ADDRESS = "tcp://scheduler:8786"


@pytest.fixture
def cluster(tmp_path):
    """Workers whose own folder lacks the module."""
    (away := tmp_path / "away").mkdir()
    with running_cluster(away) as cluster:
        yield cluster


def trained(folder, program):
    (folder / NAME).write_text(MODULE)
    (folder / "train.py").write_text(program)
    return run(folder / "train.py")


def test_a_layer_of_the_users_own_works_on_other_workers_that_are_handed_its_module(tmp_path, cluster):
    assert ADDRESS in PROGRAM and f'upload_file("{NAME}")' in PROGRAM
    done = trained(tmp_path, PROGRAM.replace(ADDRESS, cluster.address).replace(NAME, str(tmp_path / NAME)))
    assert (done.returncode, done.stderr) == (0, "")
    accuracy = re.fullmatch(r"test accuracy (0\.\d+)\n", done.stdout)
    assert accuracy is not None and float(accuracy[1]) > 0.8


def test_a_layer_that_the_workers_do_not_know_is_named(tmp_path, cluster):
    done = trained(tmp_path, re.sub(r"client\.upload_file.*\n", "", PROGRAM.replace(ADDRESS, cluster.address)))
    assert done.returncode == 1
    assert "my_layers" in done.stderr and "upload_file" in done.stderr
