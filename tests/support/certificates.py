"""Certificates, as the script of `deploy` makes them."""

import subprocess
from pathlib import Path

from tests.support.programs import PATIENCE
from tests.support.system_tools import need

_SCRIPT = Path(__file__).parents[2] / "deploy" / "make-certificates.sh"


def certify(authority: Path, *names: str) -> dict[str, Path]:
    """An authority's certificate for each name: its folder with `ca.pem`, `cert.pem` and `key.pem`."""
    need("openssl", "openssl")
    folders = {name: authority.parent / f"by-{authority.name}" / name for name in names}
    command = ["sh", _SCRIPT, authority, *folders.values()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return folders
