"""The examples of the README work."""

import re
from pathlib import Path

import pytest

from akkordeon_dask.tree import paths

README = (Path(__file__).parents[1] / "README.md").read_text()
EXAMPLE, ESTIMATOR = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_python_example_runs_and_says_how_good_the_network_is(capsys):
    exec(compile(EXAMPLE, "README.md", "exec"), {"__name__": "readme"})
    assert accuracy(capsys.readouterr().out) > 0.8


def test_the_estimator_of_the_readme_runs_and_says_how_good_it_is(capsys):
    pytest.importorskip("sklearn", reason="needs scikit-learn, the extra [sklearn]")
    exec(compile(ESTIMATOR, "README.md", "exec"), {"__name__": "readme"})
    assert accuracy(capsys.readouterr().out) > 0.9


def test_the_python_example_one_batch_at_a_time_gives_the_same_bits_whenever_it_runs():
    told = [parameters_and_passes() for _ in range(2)]
    assert told[0] == told[1] and told[0][1] == 5


def parameters_and_passes():
    """Of the network of the example, as bytes by gate and name, and the number of its training passes."""
    rates = "    report = running.evaluate("
    script = EXAMPLE.replace("concurrency=5", "concurrency=1")
    script = script.replace(rates, f"    kept = running.parameters(), running.history\n{rates}")
    names = {"__name__": "readme"}
    exec(compile(script, "README.md", "exec"), names)
    parameters, history = names["kept"]
    bits = {(gate, path): array.tobytes() for gate, tree in parameters.items() for path, array in paths(tree)}
    return bits, sum(report.mode == "train" for report in history)


def accuracy(said):
    found = re.fullmatch(r"test accuracy (0\.\d+)\n", said)
    assert found is not None
    return float(found[1])
