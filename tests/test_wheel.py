"""The sdist and the wheel of `make dist`: the wheel, installed alone, runs the demo."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.programs import environment

ROOT = Path(__file__).parents[1]
PATIENCE = 300
"""Seconds for one program; pip may have to download."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * PATIENCE)]


def run(*command, cwd):
    words = [str(word) for word in command]
    return subprocess.run(
        words, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@pytest.fixture
def registry(tmp_path):
    done = run(sys.executable, "-m", "pip", "download", "--no-deps", "--dest", tmp_path, "setuptools", cwd=tmp_path)
    if done.returncode != 0:
        pytest.skip(f"pip reaches no package registry: {done.stderr.strip().splitlines()[-1]}")


def test_the_wheel_installed_alone_runs_the_demo(registry, tmp_path):
    built = run(sys.executable, "-m", "build", "--outdir", tmp_path / "dist", ROOT, cwd=tmp_path)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,), (_,) = (list((tmp_path / "dist").glob(pattern)) for pattern in ("*.whl", "*.tar.gz"))
    programs = tmp_path / "alone/bin"
    assert run(sys.executable, "-m", "venv", programs.parent, cwd=tmp_path).returncode == 0
    python, uv = programs / "python", os.environ.get("UV")
    install = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    installed = run(*install, wheel, cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr
    demo = run(programs / "dask", "akkordeon", "demo", "--epochs", "2", "--json", cwd=tmp_path)
    assert demo.returncode == 0, demo.stderr
    *passes, last = map(json.loads, demo.stdout.splitlines())
    assert passes and last["test"]["scores"]["accuracy"] > 0.8
