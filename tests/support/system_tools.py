"""Programs of the system that tests need."""

import os
import shutil
from typing import NoReturn

import pytest


def need(tool: str, package: str) -> None:
    """Go on where `tool` is installed; else skip the test, or fail it in CI, which has to install the package."""
    if shutil.which(tool) is None:
        give_up(f"needs the program {tool}: apt-get install {package}")


def give_up(reason: str) -> NoReturn:
    """Skip the test, or fail it in CI."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
