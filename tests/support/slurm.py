"""A Slurm cluster of two nodes on the loopback interface: the real daemons, for as long as a test needs them."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.programs import free_port
from tests.support.system_tools import give_up, need

NODES = ("n1", "n2")
_CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
{nodes}PartitionName=short Nodes={names} Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which `sbatch` and the like find the cluster; each node runs one job of one core."""
    for tool, package in (("slurmctld", "slurm-wlm"), ("slurmd", "slurm-wlm"), ("munged", "munge")):
        need(tool, package)
    if os.geteuid() != 0:
        give_up("needs root, as whom slurmd starts jobs")
    ports: set[int] = set()
    while len(ports) <= len(NODES):
        ports.add(free_port())
    controller, *of_nodes = ports
    host = socket.gethostname().partition(".")[0]
    nodes = "".join(
        f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1 RealMemory=2000 State=UNKNOWN\n"
        for name, port in zip(NODES, of_nodes, strict=True)
    )
    names, configuration = ",".join(NODES), folder / "slurm.conf"
    configuration.write_text(
        _CONFIGURATION.format(host=host, controller=controller, user="root", folder=folder, nodes=nodes, names=names)
    )
    (folder / "state").mkdir()
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    found = dict(os.environ) | {"SLURM_CONF": str(configuration)}
    munge = [f"--{name}={folder / f'munge.{end}'}" for name, end in _MUNGE.items()]
    with ExitStack() as stack:
        stack.enter_context(_daemon(folder, found, "munged", "--foreground", "--force", *munge))
        wait_until((folder / "munge.socket").exists)
        stack.enter_context(_daemon(folder, found, "slurmctld", "-D", "-c"))
        for name in NODES:
            stack.enter_context(_daemon(folder, found, "slurmd", "-D", "-N", name))
        wait_until(
            lambda: slurm(found, "sinfo", "-h", "-N", "-o", "%T").split() == ["idle"] * len(NODES), within=PATIENCE
        )
        yield found


_MUNGE = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}


def slurm(environment: dict[str, str], *command: str) -> str:
    """What a command of Slurm's says."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.stdout


def jobs(environment: dict[str, str]) -> dict[str, str]:
    """The state of each job in the queue, `"RUNNING"` or `"PENDING"`, by its number."""
    return dict(line.split() for line in slurm(environment, "squeue", "-h", "-o", "%i %T").splitlines())


@contextmanager
def _daemon(folder: Path, environment: dict[str, str], *command: str) -> Iterator[None]:
    with (
        (folder / f"{command[0]}-{command[-1].strip('-/').replace('/', '_')}.log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=folder) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
