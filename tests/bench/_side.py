"""The other end of a side's process."""

import json
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[2]

_PATIENCE = 600.0
"""Seconds for an answer, which is one line."""

# Its own code of messages, which knows the engine of its checkout; the benchmark around it is this one.
_PROGRAM = """
import tests.bench._hop
tests.bench.__path__.insert(0, {bench!r})
from tests.bench._serve import serve
serve({kind!r}, {row!r}, {sample!r})
"""


class Side:
    """A process that runs a row when it is told to.

    Parameters
    ----------
    kind
        "actors", "loop", "torch", "ray".
    row
        its name, or `MESSAGES`.
    checkout
        the root of the checkout whose code it runs, with the interpreter of its `.venv` where it has one.
    sample
        train on the sample in the package in place of the full MNIST.
    """

    def __init__(self, kind: str, row: str, checkout: Path = HERE, *, sample: bool = False) -> None:
        own = checkout / ".venv" / "bin" / "python"
        python = str(own) if checkout != HERE and own.exists() else sys.executable
        program = _PROGRAM.format(bench=str(Path(__file__).parent), kind=kind, row=row, sample=sample)
        self.kind = kind
        self._process = subprocess.Popen(
            [python, "-c", program], cwd=checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def run(self, seconds: float) -> dict[str, Any]:
        """What a run of at least about so many seconds measured."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process: it ends when its input does."""
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], _PATIENCE)[0]:
            raise RuntimeError(f"the process of {self.kind} gave no answer within {_PATIENCE:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process of {self.kind} ended, its error is above")
        return dict(json.loads(line))
