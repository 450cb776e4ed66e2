"""A cluster whose scheduler, workers and client are on machines of their own."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.support.leftovers import wait_until
from tests.support.machines import Machines, Process

HOSTS = ("scheduler", "alice", "bob", "client")
ROOT = Path(__file__).parents[2]


class User:
    """A user at work, `tests.support.multi_machine_user`, and what was said so far."""

    def __init__(self, process: Process, enough: Path) -> None:
        self._process, self._enough = process, enough

    @property
    def said(self) -> list[dict[str, Any]]:
        """Each line."""
        return [json.loads(line) for line in self._process.lines]

    def passes(self, mode: str = "train") -> list[dict[str, Any]]:
        """The reports of finished passes."""
        return [said for said in self.said if said.get("mode") == mode]

    def await_passes(self, more: int) -> None:
        """Wait until so many more passes are reported."""
        enough = len(self.passes()) + more
        wait_until(lambda: len(self.passes()) >= enough or not self._process.running, seen=lambda: self.log)
        assert self._process.running, self.log

    def stop(self) -> None:
        """Let it end well."""
        self._enough.touch()
        self.finish()

    def finish(self) -> None:
        """Wait until it has ended well."""
        wait_until(lambda: not self._process.running, seen=lambda: self.log)
        assert self._process.succeed(within=1), self.log

    @property
    def log(self) -> str:
        """The ends of the logs of all programs that run beside it, its own last."""
        folder = self._enough.parent
        services = [path.read_text(encoding="utf-8")[-1500:] for path in sorted(folder.glob("[!u]*.err"))]
        return "\n".join([*services, self._process.log])


class Far:
    """The cluster. `certificates`: the folders of the hosts' certificates, empty where there is no TLS."""

    def __init__(self, machines: Machines, folder: Path, certificates: Mapping[str, Path]) -> None:
        self.machines, self.folder, self.certificates = machines, folder, certificates
        self.protocol = "tls" if certificates else "tcp"
        self.scheduler = f"{self.protocol}://{machines.addresses['scheduler']}:8786"
        self._users = 0

    @contextmanager
    def run(self, host: str, name: str, *args: object) -> Iterator[Process]:
        """Python with these arguments on a host."""
        with self.machines.start(host, self.folder, name, sys.executable, *args, cwd=ROOT) as process:
            yield process

    @contextmanager
    def service(self, host: str, kind: str, *options: object) -> Iterator[Process]:
        """`dask scheduler` or `dask worker` on a host, with its certificate."""
        with self.run(host, host, "-m", "dask", kind, *options, "--no-dashboard", *self._identity(host)) as process:
            yield process

    def _identity(self, host: str) -> list[object]:
        folder = self.certificates.get(host)
        files = {"--tls-ca-file": "ca.pem", "--tls-cert": "cert.pem", "--tls-key": "key.pem"}
        return [word for option, file in files.items() for word in (option, folder / file)] if folder else []

    @contextmanager
    def user(self, *options: object) -> Iterator[User]:
        """A user on the client's host: trains as many `--epochs` as the options say, or until `stop`."""
        self._users += 1
        enough = self.folder / f"enough-{self._users}"
        tls = ("--tls", self.certificates["client"]) if self.certificates else ()
        until = () if "--epochs" in options else ("--until", enough)
        command = ("-m", "tests.support.multi_machine_user", self.scheduler, *tls, *until, *options)
        with self.run("client", f"user-{self._users}", *command) as process:
            yield User(process, enough)


@contextmanager
def far_cluster(machines: Machines, folder: Path, certificates: Mapping[str, Path]) -> Iterator[Far]:
    """A scheduler, and the workers alice and bob, each on its host. The workers find their own addresses."""
    far = Far(machines, folder, certificates)
    address = machines.addresses["scheduler"]
    with ExitStack() as stack:
        scheduler = ("--host", address, "--port", 8786, "--protocol", far.protocol)
        stack.enter_context(far.service("scheduler", "scheduler", *scheduler))
        for name in ("alice", "bob"):
            options = ("--name", name, "--nthreads", 1, "--no-nanny")
            stack.enter_context(far.service(name, "worker", far.scheduler, *options))
        yield far
