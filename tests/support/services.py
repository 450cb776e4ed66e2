"""scheduler.sh and worker.sh as processes of their own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.leftovers import wait_until
from tests.support.programs import PATIENCE, environment

DEPLOY = Path(__file__).parents[2] / "deploy"


@contextmanager
def service(folder: Path, log: str, script: str, *args: object) -> Iterator["subprocess.Popen[bytes]"]:
    """A script that runs on, its output in `folder`/`log`; told to end by SIGTERM, else killed with all that is its."""
    with (folder / log).open("wb") as said:
        process = subprocess.Popen(
            [DEPLOY / script, *map(str, args)],
            stdout=said,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment(DASK=str(Path(sys.executable).with_name("dask"))),
            cwd=folder,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=PATIENCE)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=PATIENCE)


def address_in(file: Path) -> str:
    """The address in a scheduler's file, once it is there."""
    wait_until(lambda: file.is_file() and file.stat().st_size > 0, seen=lambda: file)
    return str(json.loads(file.read_text(encoding="utf-8"))["address"])
