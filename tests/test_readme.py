"""What the README shows works."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_python_example_runs_and_says_how_good_the_network_is(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(example, "README.md", "exec"), {"__name__": "readme"})
    said = re.fullmatch(r"test accuracy (0\.\d+)\n", capsys.readouterr().out)
    assert said is not None
    assert float(said[1]) > 0.8


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:akkordeon_dask|examples|deploy)/[\w./]*)`", README))))
def test_every_file_it_names_exists(path):
    assert (Path(__file__).parents[1] / path).exists()
