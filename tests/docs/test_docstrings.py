"""The examples in docstrings."""

import doctest
import importlib
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = [path for path in sorted(ROOT.glob("akkordeon_dask/**/*.py")) if ">>>" in path.read_text(encoding="utf-8")]
if importlib.util.find_spec("torch") is None:
    MODULES = [path for path in MODULES if not path.is_relative_to(ROOT / "akkordeon_dask/torch")]
if importlib.util.find_spec("jax") is None:
    MODULES = [path for path in MODULES if not path.is_relative_to(ROOT / "akkordeon_dask/jax")]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_examples_of_a_module_print_what_they_show(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
    assert doctest.testmod(module).failed == 0
