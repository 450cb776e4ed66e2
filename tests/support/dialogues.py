"""Programs that one talks to: what they say is waited for, never for longer than a deadline."""

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from click.testing import CliRunner, Result

from akkordeon_dask.cli import akkordeon as group
from tests.support.patience import PATIENCE
from tests.support.programs import started

_AKKORDEON = """
import signal
from akkordeon_dask.cli import akkordeon
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
akkordeon()
"""


def _is_of_busy_scheduler(line: str) -> bool:
    """Whether a command says that a scheduler has not answered in its first, brief try: a loaded machine decides it."""
    return line.startswith("waiting ") and "one that runs there is busy" in line


class Program:
    """A process whose lines are read as they come."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.out: list[str] = []
        self.err: list[str] = []
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        streams = ((process.stdout, self.out), (process.stderr, self.err))
        self._readers = [threading.Thread(target=self._read, args=both, daemon=True) for both in streams]
        for reader in self._readers:
            reader.start()

    def _read(self, stream, lines: list[str]) -> None:
        for line in stream:
            if not _is_of_busy_scheduler(line):
                lines.append(line.removesuffix("\n"))
            self._news.put(None)
        self._news.put(None)

    def line(self, found: Callable[[str], bool] | str, within: float = PATIENCE) -> str:
        """The first line, of either stream, that is looked for or begins with the text; waits for it."""
        wanted = found if callable(found) else lambda line: line.startswith(found)
        end = time.monotonic() + within
        while True:
            living = any(reader.is_alive() for reader in self._readers)
            for line in [*self.out, *self.err]:
                if wanted(line):
                    return line
            assert living, f"it ended without it: {self.out}, {self.err}"
            try:
                self._news.get(timeout=end - time.monotonic())
            except (queue.Empty, ValueError):
                raise AssertionError(f"not after {within:g} s: {self.out}, {self.err}") from None

    def kill(self) -> None:
        """As `kill -9` does."""
        self.process.kill()
        self.end()

    def interrupt(self, number: int = signal.SIGINT) -> int:
        """As Ctrl-C in its terminal, or another signal; gives the exit code."""
        os.killpg(self.process.pid, number)
        return self.end()

    def end(self, within: float = PATIENCE) -> int:
        """Wait until it has ended and said all; gives the exit code."""
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it has not ended after {within:g} s: {self.out}, {self.err}") from None
        for reader in self._readers:
            reader.join(within)
        return code

    def passes(self, number: int) -> None:
        """Wait until it has shown so many passes."""
        self.line(lambda _: sum("epoch:" in line for line in self.out) >= number)


@contextmanager
def _program(*args: object, **more: str) -> Iterator[Program]:
    """A program that a failing test shows: its output, and whether it has ended."""
    with started(*args, **more) as process:
        program = Program(process)
        try:
            yield program
        except BaseException as error:
            said = [f"code {process.poll()}: {args[2:]}", *program.out, *program.err]
            error.add_note("\n    ".join(said))
            raise


def akkordeon(*args: object, **more: str) -> AbstractContextManager[Program]:
    """`dask akkordeon` with these arguments; `more` goes into its environment."""
    return _program("-c", _AKKORDEON, *args, **more)


def dask(*args: object, **more: str) -> AbstractContextManager[Program]:
    """`dask` with these arguments; `more` goes into its environment."""
    return _program("-m", "dask", *args, **more)


@contextmanager
def joined_worker(address: str, name: str, **more: str) -> Iterator[Program]:
    """One more worker of the cluster at this address."""
    options = ("--nthreads", 1, "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
    with dask("worker", address, "--name", name, *options, **more) as worker:
        worker.line(lambda line: "Registered to" in line)
        yield worker


def called(*args: object, **env: str) -> Result:
    """`dask akkordeon` with these arguments in this process, where it starts at once; for what ends by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AKKORDEON_DEBUG", raising=False)
        done = CliRunner(env=env).invoke(group, list(map(str, args)))
    done.stderr_bytes, done.output_bytes = map(_without_busy_scheduler, (done.stderr, done.output))
    return done


def _without_busy_scheduler(text: str) -> bytes:
    return "".join(line for line in text.splitlines(keepends=True) if not _is_of_busy_scheduler(line)).encode()
