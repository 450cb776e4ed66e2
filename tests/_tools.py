"""Programs of the system that tests need."""

import os
import shutil

import pytest

__all__ = ["need"]


def need(tool: str, package: str) -> None:
    """Go on where `tool` is installed; else skip the test, or fail it in CI, which has to install the package."""
    if shutil.which(tool) is None:
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up(f"needs the program {tool}: apt-get install {package}")
