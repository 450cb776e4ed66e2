"""What may happen to a cluster, its links, disks, users and gates."""

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from tests.support.chaos_cluster import WORKERS, Chaos
from tests.support.chaos_owner import Fault, Owner
from tests.support.machines import Machines
from tests.support.restarting_workers import run_folder

__all__ = ["kinds", "strike"]

Gates = tuple[str, ...]


class Strike(NamedTuple):
    """One thing that goes wrong."""

    cluster: Chaos
    owner: Owner
    dice: random.Random
    victim: str
    """A worker's or a gate's name."""
    kind: str

    def seconds(self, low: float, high: float) -> float:
        """How long it lasts."""
        return self.dice.uniform(low, high)


def _kill(one: Strike) -> None:
    os.kill(one.cluster.worker(one.victim), signal.SIGKILL)


def _stand_still(one: Strike) -> None:
    pid = one.cluster.worker(one.victim)
    os.kill(pid, signal.SIGSTOP)

    def go_on() -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    one.cluster.hurt(one.victim, one.seconds(3.5, 5), go_on)


def _pull_cable(one: Strike) -> None:
    assert isinstance(one.cluster.machines, Machines)
    cut = one.cluster.machines.cut(one.victim)
    cut.__enter__()
    one.cluster.hurt(one.victim, one.seconds(3.5, 5), lambda: cut.__exit__(None, None, None) and None)


def _part(one: Strike) -> None:
    """Two workers reach everybody but each other."""
    assert isinstance(one.cluster.machines, Machines)
    other = one.dice.choice([name for name in WORKERS if name != one.victim])
    parted = one.cluster.machines.parted(one.victim, other)
    parted.__enter__()
    one.cluster.hurt("route", one.seconds(4, 6), lambda: parted.__exit__(None, None, None) and None)


def _spoil_folder(one: Strike) -> None:
    """Put a file where a gate's snapshots shall be."""
    folder = run_folder(one.owner.folder / "snapshots") / one.victim
    kept = folder.with_name(f"~{folder.name}")
    folder.rename(kept)
    folder.write_bytes(b"no folder")

    def restore() -> None:
        folder.unlink()
        kept.rename(folder)

    one.cluster.hurt(one.victim, one.seconds(1, 3), restore)


def _kill_guest(one: Strike) -> None:
    one.cluster.guests[-1].kill()
    one.cluster.guest(*one.dice.choice([(), ("--here",)]))


def _kill_scheduler(one: Strike) -> None:
    one.cluster.kill_scheduler(one.seconds(0.1, 5))


def _hang(one: Strike) -> None:
    """The layer of a gate hangs."""
    hangs = one.owner.folder / "hangs"
    hangs.touch()
    one.cluster.hurt(str(hangs), one.seconds(4, 6), hangs.unlink)


def _terminate(one: Strike) -> None:
    """As systemd and Slurm end a worker."""
    one.cluster.terminate(one.victim)


def _command(one: Strike) -> None:
    """Something that a user does."""
    one.cluster.command(one.kind, one.victim, one.seconds(0.1, 3))


class Kind(NamedTuple):
    """A kind of fault."""

    strike: Callable[[Strike], None]
    weight: float
    """How often it comes, beside the others."""
    hits: str
    """`host`: the gates on a worker stop; `gate`, `all`, `none`."""
    namespaces: bool = False
    """It needs hosts that are network namespaces."""


_KINDS = {
    "kill": Kind(_kill, 6, "host"),
    "stop": Kind(_stand_still, 2, "host"),
    "terminate": Kind(_terminate, 2, "host"),
    "cut": Kind(_pull_cable, 5, "host", namespaces=True),
    "part": Kind(_part, 1, "all", namespaces=True),
    "write": Kind(_spoil_folder, 2, "gate"),
    "guest": Kind(_kill_guest, 2, "gate"),
    "scheduler": Kind(_kill_scheduler, 1, "all"),
    "hang": Kind(_hang, 1, "all"),
    "move": Kind(_command, 3, "gate"),
    "drain": Kind(_command, 3, "host"),
    "retire": Kind(_command, 3, "host"),
    "lifetime": Kind(_command, 5, "host"),
    "restart": Kind(_command, 1, "all"),
    "pause": Kind(_command, 2, "none"),
    "verb": Kind(_command, 2, "none"),
}


def kinds(cluster: Chaos, dice: random.Random, count: int) -> list[str]:
    """So many kinds: of each that can be here a fiftieth at least, the rest by weight, in any order."""
    there = {
        name: kind for name, kind in _KINDS.items() if isinstance(cluster.machines, Machines) or not kind.namespaces
    }
    chosen = [*there] * (count // 50)
    if count < 50:
        chosen = dice.sample([*there], min(count, len(there)))
    chosen += dice.choices([*there], [kind.weight for kind in there.values()], k=count - len(chosen))
    dice.shuffle(chosen)
    return chosen


def strike(kind: str, cluster: Chaos, owner: Owner, dice: random.Random) -> None:
    """Let something go wrong, as soon as there is somebody whom it can hit, and note it."""
    while not (victims := _victims(kind, cluster, owner)):  # they all suffer already
        cluster.pass_time(0.1, owner)
    victim, gates = dice.choice(victims)
    owner.recoveries(cluster.faults)
    calm = (
        cluster.sound
        and {*WORKERS} <= {*owner.workers}
        and all(fault.recovered.keys() == {*fault.gates} for fault in cluster.faults)
    )
    cluster.faults.append(Fault(kind, victim, gates, time.monotonic(), calm))
    _KINDS[kind].strike(Strike(cluster, owner, dice, victim, kind))


def _victims(kind: str, cluster: Chaos, owner: Owner) -> list[tuple[str, Gates]]:
    """Workers or gates that may be hit now, each with the gates that may stop by it."""
    placed, hits = owner.placement, _KINDS[kind].hits
    if cluster.suffers("scheduler"):
        return []  # nobody would tell where gates are
    if hits == "gate":
        folder = run_folder(owner.folder / "snapshots")
        free = [gate for gate in sorted(placed) if not cluster.suffers(gate)]
        return [(gate, (gate,)) for gate in free if kind != "write" or (folder / gate).is_dir()]
    there = {host: tuple(gate for gate, where in placed.items() if where == host) for host in WORKERS}
    free = [host for host in WORKERS if not cluster.suffers(host) and cluster.worker(host)]
    if kind in ("part", "hang") and any(map(cluster.suffers, ("route", str(owner.folder / "hangs")))):
        return []
    if hits == "host":
        return [(host, there[host]) for host in free if there[host]]
    return [(host, tuple(sorted(placed)) if hits == "all" else ()) for host in free]
