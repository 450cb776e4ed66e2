"""Without PyTorch and JAX the package works, and those that need them say so."""

import subprocess
import sys

from tests.support.patience import PATIENCE

HIDDEN = """
import importlib.abc, sys
class Hides(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name in ("torch", "jax"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hides())
import akkordeon_dask
from akkordeon_dask import nn, runtime, sklearn
try:
    import akkordeon_dask.torch
except ImportError as error:
    print(error)
try:
    import akkordeon_dask.jax
except ImportError as error:
    print(error)
"""
INSTALL = """\
akkordeon_dask.torch needs PyTorch: pip install 'akkordeon_dask[torch]'
akkordeon_dask.jax needs JAX: pip install 'akkordeon_dask[jax]'
"""


def test_without_them_the_package_imports_and_its_parts_say_what_to_install():
    found = subprocess.run([sys.executable, "-c", HIDDEN], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert found.stdout == INSTALL


def test_importing_the_package_imports_neither():
    code = "import akkordeon_dask, sys; print({'torch', 'jax'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert found.stdout == "set()\n"
