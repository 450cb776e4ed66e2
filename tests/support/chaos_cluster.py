"""A scheduler, three workers with nannies and a client, and what may happen to them."""

import json
import os
import random
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
from tests.support.restarting_workers import run_folder

WORKERS = ("alice", "bob", "carol")
HOSTS = ("scheduler", *WORKERS, "client")
ROOT = Path(__file__).parents[2]
SETTINGS = {
    "SUPERVISION__PATIENCE": "2s",
    "SUPERVISION__RESTARTS": "1000",
    "TIMEOUTS__CONTROL": "5s",
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
        """Hosts and gates that suffer now, with the time and the way to end it."""
        self._python("scheduler", "scheduler", "-m", "dask", "scheduler", *self._where("scheduler"), "--port", 0)
        wait_until(lambda: self.file.is_file() and self.file.stat().st_size > 0, within=60)
        options = ("--nthreads", 1, "--local-directory", folder)
        self._nannies = {
            name: self._python(name, name, "-m", "dask", "worker", *self._where(name), "--name", name, *options)
            for name in WORKERS
        }

    def _where(self, host: str) -> tuple[object, ...]:
        return "--host", self.machines.addresses[host], "--no-dashboard", "--scheduler-file", self.file

    def _python(self, host: str, name: str, *args: object) -> Process:
        return self._stack.enter_context(self.machines.start(host, self.folder, name, sys.executable, *args, cwd=ROOT))

    def user(self, seed: int) -> Owner:
        """The owner of a network at work, with a folder of its own."""
        self._runs += 1
        folder = self.folder / f"run-{self._runs}"
        folder.mkdir()
        name, module = f"user-{self._runs}", ("-m", "tests.support.chaos_user")
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

    def strike(self, kind: str, owner: Owner, dice: random.Random) -> None:
        """Let something go wrong, and note what."""
        while not (victims := self._victims(kind, owner)):  # they all suffer already
            self.pass_time(0.1, owner)
        victim, gates = dice.choice(victims)
        at = time.monotonic()
        self.faults.append(Fault(kind, gates, at))
        if kind == "write":
            self._spoil(run_folder(owner.folder / "snapshots") / victim, at + dice.uniform(1, 3))
        elif kind == "guest":
            self.guests[-1].kill()
            self.guest(*dice.choice([(), ("--here",)]))
        elif kind == "kill":
            os.kill(self.worker(victim), signal.SIGKILL)
        elif kind == "stop":
            self._stop(victim, at + dice.uniform(3.5, 5))
        else:
            self._cut(victim, at + dice.uniform(3.5, 5))

    def _victims(self, kind: str, owner: Owner) -> list[tuple[str, tuple[str, ...]]]:
        """Hosts or gates that may be hit now, each with the gates that may stop by it."""
        placed = owner.placement
        if kind == "guest":
            return [(gate, (gate,)) for gate in sorted(placed)]
        if kind == "write":
            folder = run_folder(owner.folder / "snapshots")
            free = [gate for gate in sorted(placed) if str(folder / gate) not in self._out]
            return [(gate, (gate,)) for gate in free if (folder / gate).is_dir()]
        there = {host: tuple(gate for gate, where in placed.items() if where == host) for host in WORKERS}
        free = [host for host in WORKERS if there[host] and host not in self._out]
        return [(host, there[host]) for host in free if self.worker(host)]

    def _stop(self, host: str, end: float) -> None:
        pid = self.worker(host)
        os.kill(pid, signal.SIGSTOP)

        def go_on() -> None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

        self._out[host] = (end, go_on)

    def _cut(self, host: str, end: float) -> None:
        assert isinstance(self.machines, Machines)
        cut = self.machines.cut(host)
        cut.__enter__()
        self._out[host] = (end, lambda: cut.__exit__(None, None, None) and None)

    def _spoil(self, folder: Path, end: float) -> None:
        """Put a file where a gate's snapshots shall be."""
        kept = folder.with_name(f"~{folder.name}")
        folder.rename(kept)
        folder.write_bytes(b"no folder")

        def restore() -> None:
            folder.unlink()
            kept.rename(folder)

        self._out[str(folder)] = (end, restore)

    def heal(self, now: float = float("inf")) -> None:
        """End what has lasted long enough."""
        for who, (end, heal) in list(self._out.items()):
            if end <= now:
                del self._out[who]
                heal()

    def pass_time(self, seconds: float, owner: Owner) -> None:
        """Let the cluster be for so long, but for what heals."""
        end = time.monotonic() + seconds

        def over() -> bool:
            assert owner.process.running, owner.process.log
            self.heal(time.monotonic())
            return time.monotonic() >= end

        wait_until(over, within=seconds + 60)

    def until_healed(self, owner: Owner) -> None:
        """Wait until nothing suffers any more."""
        last = max([end for end, _ in self._out.values()], default=0.0)
        self.pass_time(max(0.0, last - time.monotonic()), owner)


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
