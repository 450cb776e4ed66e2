"""A scheduler, three workers with nannies and a client, and how they are hurt and healed."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.chaos_owner import Fault, Owner
from tests.support.chaos_user import NAME
from tests.support.leftovers import wait_until
from tests.support.machines import Machines, Process, joined, running
from tests.support.patience import scaled
from tests.support.programs import free_port

WORKERS = ("alice", "bob", "carol")
HOSTS = ("scheduler", *WORKERS, "client")
ROOT = Path(__file__).parents[2]
SETTINGS = {
    "SUPERVISION__PATIENCE": scaled(2),
    "SUPERVISION__RESTARTS": "1000",
    "SUPERVISION__STUCK": scaled(3),
    "SUPERVISION__WAIT": "10min",
    "SUPERVISION__SCHEDULER": "10min",
    "TIMEOUTS__CONTROL": scaled(10),
}


class Here:
    """This machine in the place of several: no link of it can be cut."""

    addresses = dict.fromkeys(HOSTS, "127.0.0.1")

    @contextmanager
    def start(self, host: str, folder: Path, name: str, *command: object, cwd: Path | None = None) -> Iterator[Process]:
        """Run a program, and end it."""
        with running(folder, name, *command, cwd=cwd) as process:
            yield process


class Chaos:
    """The cluster, its owner's program, and the guests'. Whatever is begun ends with `stack`."""

    def __init__(self, machines: Machines | Here, folder: Path, stack: ExitStack) -> None:
        self.machines, self.folder, self._stack = machines, folder, stack
        self.file = folder / "scheduler.json"
        self.guests: list[Process] = []
        self.faults: list[Fault] = []
        self._runs = 0
        self._out: dict[str, tuple[float, Callable[[], None]]] = {}
        """Hosts, gates and links that suffer now, with the time and the way to end it."""
        self._commands: list[Process] = []
        """Programs of users beside, which have to end well."""
        self._port = free_port()
        self._scheduler = self._start_scheduler()
        self._nannies = {name: self._start_worker(name) for name in WORKERS}

    def _start_scheduler(self) -> Process:
        self.file.unlink(missing_ok=True)
        where = (*self._where("scheduler"), "--port", self._port)
        process = self._python("scheduler", f"scheduler-{self._number()}", "-m", "dask", "scheduler", *where)
        wait_until(lambda: self.file.is_file() and self.file.stat().st_size > 0, within=300)
        return process

    def _start_worker(self, name: str) -> Process:
        options = ("--name", name, "--nthreads", 1, "--local-directory", self.folder)
        return self._python(name, f"{name}-{self._number()}", "-m", "dask", "worker", *self._where(name), *options)

    def _number(self) -> int:
        self._runs += 1
        return self._runs

    def _where(self, host: str) -> tuple[object, ...]:
        return "--host", self.machines.addresses[host], "--no-dashboard", "--scheduler-file", self.file

    def _python(self, host: str, name: str, *args: object) -> Process:
        return self._stack.enter_context(self.machines.start(host, self.folder, name, sys.executable, *args, cwd=ROOT))

    def user(self, seed: int) -> Owner:
        """The owner of a network at work, with a folder of its own."""
        number = self._number()
        folder = self.folder / f"run-{number}"
        folder.mkdir()
        name, module = f"user-{number}", ("-m", "tests.support.chaos_user")
        return Owner(self._python("client", name, *module, self.file, folder, "--seed", seed), folder)

    def guest(self, *options: object) -> Process:
        """Somebody else who trains the network, from another process."""
        name = f"guest-{len(self.guests)}"
        address = json.loads(self.file.read_text(encoding="utf-8"))["address"]
        train = ("sentinel", NAME, "--mode", "train", "--data", "mnist", "--json", "--as", name, "--shard", "1/4")
        guest = self._python("client", name, "-m", "akkordeon_dask", *train, "--scheduler", address, *options)
        self.guests.append(guest)
        return guest

    def worker(self, host: str) -> int:
        """The process of the worker on a host; 0 while its nanny makes a new one."""
        nanny = self._nannies[host].pid
        children = Path(f"/proc/{nanny}/task").glob("*/children")
        for pid in [int(pid) for path in children for pid in path.read_text().split()]:
            with suppress(OSError):
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        return 0

    def terminate(self, host: str) -> None:
        """SIGTERM to the nanny on a host; `heal` starts another one."""
        os.kill(self._nannies[host].pid, signal.SIGTERM)

    def strangers(self) -> list[str]:
        """Programs on the hosts that neither are nor were begun by the cluster; none where hosts are not apart."""
        if not isinstance(self.machines, Machines):
            return []
        ours = {self._scheduler.pid, *(nanny.pid for nanny in self._nannies.values())}
        return [_command_line(pid) for pid in self.machines.processes() if not ours.intersection(_ancestry(pid))]

    def hurt(self, what: str, seconds: float, heal: Callable[[], None]) -> None:
        """Note that a host, a gate or a link suffers for so long, and how that ends."""
        self._out[what] = (time.monotonic() + seconds, heal)

    def suffers(self, what: str) -> bool:
        """Whether it does now."""
        return what in self._out

    @property
    def sound(self) -> bool:
        """Nothing suffers, and every worker is there."""
        return not self._out and all(map(self.worker, WORKERS))

    def command(self, *args: object) -> None:
        """Run `tests.support.chaos_command` beside, which has to end well."""
        module = ("-m", "tests.support.chaos_command")
        self._commands.append(self._python("client", f"command-{self._number()}", *module, self.file, *args))

    def kill_scheduler(self, seconds: float) -> None:
        """Kill it, and start it again after so long."""
        self._scheduler.kill()

        def again() -> None:
            self._scheduler = self._start_scheduler()

        self.hurt("scheduler", seconds, again)

    def heal(self, now: float = float("inf")) -> None:
        """End what has lasted long enough; start again the workers that have ended."""
        for who, (end, heal) in list(self._out.items()):
            if end <= now:
                del self._out[who]
                heal()
        for name, nanny in self._nannies.items():
            if not nanny.running:
                self._nannies[name] = self._start_worker(name)

    def pass_time(self, seconds: float, owner: Owner) -> None:
        """Let the cluster be for so long, but for what heals."""
        end = time.monotonic() + seconds

        def over() -> bool:
            assert owner.process.running, owner.process.log
            self.heal(time.monotonic())
            return time.monotonic() >= end

        wait_until(over, within=seconds + 300)

    def until_healed(self, owner: Owner) -> None:
        """Wait until nothing suffers any more."""
        last = max([end for end, _ in self._out.values()], default=0.0)
        self.pass_time(max(0.0, last - time.monotonic()), owner)
        for command in self._commands:
            command.succeed(within=300)


def _ancestry(pid: int) -> Iterator[int]:
    """A process and those that began it; one that has ended meanwhile has none."""
    with suppress(OSError):
        while pid > 1:
            yield pid
            pid = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def _command_line(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


@contextmanager
def chaos(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Chaos]:
    """The cluster, on machines of their own where those can be made."""
    for name, value in SETTINGS.items():
        patch.setenv(f"DASK_AKKORDEON__{name}", value)
    with ExitStack() as stack:
        machines: Machines | Here
        try:
            machines = stack.enter_context(joined(*HOSTS))
        except pytest.skip.Exception:
            machines = Here()
        yield Chaos(machines, folder, stack)
