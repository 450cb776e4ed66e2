"""What the README shows works."""

import re
from pathlib import Path

import pytest

from akkordeon_dask.tree import paths
from tests.support.programs import run, running_cluster

README = (Path(__file__).parents[1] / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_python_example_runs_and_says_how_good_the_network_is(capsys):
    exec(compile(EXAMPLES[0], "README.md", "exec"), {"__name__": "readme"})
    assert accuracy(capsys.readouterr().out) > 0.8


def test_the_python_example_one_batch_at_a_time_gives_the_same_bits_whenever_it_runs():
    told = [parameters_and_passes() for _ in range(2)]
    assert told[0] == told[1] and told[0][1] == 5


def parameters_and_passes():
    """Of the network of the example, as bytes by gate and name, and the number of its training passes."""
    rates = "    report = running.evaluate("
    script = EXAMPLES[0].replace("concurrency=5", "concurrency=1")
    script = script.replace(rates, f"    kept = running.parameters(), running.history\n{rates}")
    names = {"__name__": "readme"}
    exec(compile(script, "README.md", "exec"), names)
    parameters, history = names["kept"]
    bits = {(gate, path): array.tobytes() for gate, tree in parameters.items() for path, array in paths(tree)}
    return bits, sum(report.mode == "train" for report in history)


def test_a_layer_of_the_users_own_works_on_other_workers_that_are_handed_its_module(tmp_path):
    module, script = EXAMPLES[1:]
    name = re.match(r"# (\w+\.py)\n", module)
    assert name is not None
    user = tmp_path / "user"
    user.mkdir()
    (user / name[1]).write_text(module)
    with running_cluster(tmp_path) as cluster:
        assert "tcp://scheduler:8786" in script
        # By its path: the workers' own folder has no such module.
        script = script.replace("tcp://scheduler:8786", cluster.address).replace(name[1], str(user / name[1]))
        (user / "train.py").write_text(script)
        done = run(user / "train.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert accuracy(done.stdout) > 0.8


def test_a_layer_that_the_workers_do_not_know_is_named(tmp_path):
    module, script = EXAMPLES[1:]
    (tmp_path / "my_layers.py").write_text(module)
    away = tmp_path / "away"
    away.mkdir()
    with running_cluster(away) as cluster:
        without = re.sub(r"client\.upload_file.*\n", "", script.replace("tcp://scheduler:8786", cluster.address))
        (tmp_path / "train.py").write_text(without)
        done = run(tmp_path / "train.py")
    assert done.returncode == 1
    assert "my_layers" in done.stderr and "upload_file" in done.stderr


def accuracy(said):
    found = re.fullmatch(r"test accuracy (0\.\d+)\n", said)
    assert found is not None
    return float(found[1])


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:akkordeon_dask|examples|deploy)/[\w./]*)`", README))))
def test_every_file_it_names_exists(path):
    assert (Path(__file__).parents[1] / path).exists()
