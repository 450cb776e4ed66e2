"""Several machines on this one: network namespaces, each with an address of its own, joined by a bridge."""

import contextlib
import os
import re
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.leftovers import wait_until
from tests.support.packet_capture import Capture
from tests.support.patience import PATIENCE
from tests.support.programs import environment
from tests.support.system_tools import need

_FOLDER = Path("/run/netns")
_OURS = re.compile(r"akk-(\d+)-[0-9a-f]{6}-\w+")
"""A namespace of these tests, with the process that made it."""


class Process:
    """A program that runs on a host; what it says goes to files, for a pipe that nobody reads would fill."""

    def __init__(self, popen: "subprocess.Popen[bytes]", output: Path, errors: Path) -> None:
        self._popen, self._output, self._errors = popen, output, errors

    @property
    def lines(self) -> list[str]:
        """The complete lines of its output so far."""
        return self._output.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()

    @property
    def log(self) -> str:
        """The end of what it wrote to stderr."""
        return self.whole_log[-4000:]

    @property
    def whole_log(self) -> str:
        """All that it wrote to stderr."""
        return self._errors.read_text(encoding="utf-8")

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    @property
    def pid(self) -> int:
        """Its process."""
        return self._popen.pid

    def kill(self) -> None:
        """As `kill -9` does."""
        self._popen.kill()
        self._popen.wait()

    def succeed(self, within: float) -> list[str]:
        """Its lines, once it has ended well; fails when it does not, in `within` seconds."""
        wait_until(lambda: not self.running, within=within, seen=lambda: self.log)
        assert self._popen.returncode == 0, self.log
        return self.lines

    def end(self) -> None:
        """End it where it runs."""
        self._popen.terminate()
        try:
            self._popen.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


@contextmanager
def running(folder: Path, name: str, *command: object, cwd: Path | None) -> Iterator[Process]:
    """Run a program, and end it; `name` names its files in `folder`."""
    output, errors = folder / f"{name}.out", folder / f"{name}.err"
    # Each host is a small machine: no BLAS threads that wait for each other on the cores that all hosts share.
    variables = environment(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    with output.open("wb") as told, errors.open("wb") as log:
        popen = subprocess.Popen([*map(str, command)], stdout=told, stderr=log, env=variables, cwd=cwd)
    process = Process(popen, output, errors)
    try:
        yield process
    finally:
        process.end()


class Machines:
    """Hosts by name. The bridge has a namespace of its own: no address or name of this machine can collide."""

    def __init__(self, hosts: tuple[str, ...], prefix: str) -> None:
        self.addresses = {host: f"10.77.0.{number}" for number, host in enumerate(hosts, 1)}
        self._prefix = prefix
        self._switch = f"{prefix}-switch"

    @contextmanager
    def start(self, host: str, folder: Path, name: str, *command: object, cwd: Path | None = None) -> Iterator[Process]:
        """Run a program on a host, and end it; `name` names its files in `folder`."""
        inside = ("ip", "netns", "exec", self._namespace(host), *command)
        with running(folder, name, *inside, cwd=cwd or folder) as process:
            yield process

    def left(self) -> list[str]:
        """The namespaces that are there."""
        return sorted(path.name for path in _FOLDER.glob(f"{self._prefix}-*"))

    def processes(self) -> list[int]:
        """All that runs on the hosts."""
        told = [_run("ip", "netns", "pids", namespace).stdout.split() for namespace in self.left()]
        return [int(pid) for pids in told for pid in pids]

    def capture(self, host: str) -> Capture:
        """Hear what crosses a host's link, for as long as the context lasts."""
        return Capture(_FOLDER / self._switch, _port(host))

    @contextmanager
    def cut(self, host: str) -> Iterator[None]:
        """Pull a host's cable, and plug it in again."""
        _ip("-n", self._switch, "link", "set", _port(host), "down")
        try:
            yield
        finally:
            _ip("-n", self._switch, "link", "set", _port(host), "up")

    @contextmanager
    def parted(self, host: str, other: str) -> Iterator[None]:
        """Let two hosts reach everybody but each other, as a firewall between them does."""
        route = ("-n", self._namespace(host), "route")
        _ip(*route, "add", "blackhole", self.addresses[other])
        try:
            yield
        finally:
            _ip(*route, "del", "blackhole", self.addresses[other])

    @contextmanager
    def delayed(self, host: str, milliseconds: int) -> Iterator[None]:
        """Let all that goes to a host arrive later; skips where the kernel cannot."""
        device = ("dev", _port(host), "root")
        tc = ("ip", "netns", "exec", self._switch, "tc", "qdisc")
        added = _run(*tc, "add", *device, "netem", "delay", f"{milliseconds}ms")
        if added.returncode != 0:
            pytest.skip(f"a slow link needs netem, which this kernel has not: {added.stderr.strip()}")
        try:
            yield
        finally:
            _run(*tc, "del", *device)

    def _namespace(self, host: str) -> str:
        return f"{self._prefix}-{host}"

    def _plug_in(self, host: str) -> None:
        name, port = self._namespace(host), _port(host)
        _ip("-n", self._switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("-n", self._switch, "link", "set", port, "master", "bridge", "up")
        _ip("-n", name, "address", "add", f"{self.addresses[host]}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-n", name, "link", "set", device, "up")


@contextmanager
def joined(*hosts: str) -> Iterator[Machines]:
    """Machines of these names, which all reach each other; skips where namespaces cannot be made."""
    need("ip", "iproute2")
    if os.geteuid() != 0:
        pytest.skip("needs root, to make network namespaces")
    _sweep()
    prefix = f"akk-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    machines = Machines(hosts, prefix)
    with ExitStack() as stack:
        for name in ("switch", *hosts):
            added = _run("ip", "netns", "add", f"{prefix}-{name}")
            if added.returncode != 0:
                pytest.skip(f"network namespaces cannot be made here: {added.stderr.strip()}")
            stack.callback(_remove, f"{prefix}-{name}")
        _ip("-n", f"{prefix}-switch", "link", "add", "bridge", "type", "bridge")
        _ip("-n", f"{prefix}-switch", "link", "set", "bridge", "up")
        for host in hosts:
            machines._plug_in(host)
        yield machines


def _port(host: str) -> str:
    """The bridge's end of a host's link."""
    return f"to-{host}"


def _sweep() -> None:
    """Remove what a run has left that was killed: the namespaces whose maker is gone."""
    for path in _FOLDER.glob("akk-*"):
        ours = _OURS.fullmatch(path.name)
        if ours and not Path(f"/proc/{ours[1]}").exists():
            _remove(path.name)


def _remove(namespace: str) -> None:
    """End what still runs in a namespace, and the namespace."""
    wait_until(lambda: not _kill_all(namespace))
    _run("ip", "netns", "delete", namespace)


def _kill_all(namespace: str) -> list[int]:
    """The processes that were there."""
    pids = [int(pid) for pid in _run("ip", "netns", "pids", namespace).stdout.split()]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return pids


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def _ip(*command: str) -> None:
    done = _run("ip", *command)
    assert done.returncode == 0, f"ip {' '.join(command)}: {done.stderr}"
