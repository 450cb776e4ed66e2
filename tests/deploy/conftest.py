"""Fixtures of the tests of deploy/: the folder, and certificates as its script makes them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.programs import PATIENCE, environment
from tests.support.system_tools import need

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(scope="session")
def deploy_folder():
    return DEPLOY


@pytest.fixture(scope="session")
def script():
    """`script(name, *args, **environment)`: run a script of deploy/, with this Python's `dask`."""

    def run(name, *args, **more):
        more = {"DASK": str(Path(sys.executable).with_name("dask"))} | more
        return subprocess.run(
            [DEPLOY / name, *map(str, args)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=environment(**more),
            stdin=subprocess.DEVNULL,
            umask=0o022,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def certificates(tmp_path_factory, script):
    """Folders with ca.pem, cert.pem and key.pem: scheduler, alice, bob and me; stranger is of another authority."""
    need("openssl", "openssl")
    folder = tmp_path_factory.mktemp("certificates")
    ours = [folder / name for name in ("scheduler", "alice", "bob", "me")]
    for authority, members in (("authority", ours), ("another", [folder / "stranger"])):
        done = script("make-certificates.sh", folder / authority, *members)
        assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.fixture
def openssl():
    """`openssl(*args)`: its exit status and what it said."""
    need("openssl", "openssl")

    def run(*args):
        command = ["openssl", *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def plain_path():
    """A PATH without any `dask`, nor a .venv's programs."""
    return os.pathsep.join(part for part in ("/usr/bin", "/bin") if not Path(part, "dask").exists())
