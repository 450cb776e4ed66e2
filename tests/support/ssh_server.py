"""An SSH server on the loopback interface that lets this user in by a key made for it."""

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.programs import free_port
from tests.support.system_tools import need

_CONFIGURATION = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/home/.ssh/id_ed25519.pub
AllowUsers {user}
PermitRootLogin yes
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
MaxStartups 50
"""


@contextmanager
def ssh_server(folder: Path) -> Iterator[tuple[int, Path]]:
    """Its port, and a home folder whose key it accepts and which knows the key of its host."""
    need("sshd", "openssh-server")
    need("ssh-keygen", "openssh-client")
    home = folder / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    for key in (folder / "host_key", home / ".ssh" / "id_ed25519"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, timeout=PATIENCE)
    port = free_port()
    host_key = " ".join((folder / "host_key.pub").read_text().split()[:2])
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    (folder / "sshd_config").write_text(_CONFIGURATION.format(port=port, folder=folder, user=getpass.getuser()))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd locks up what it has no need to trust
    command = [shutil.which("sshd"), "-D", "-e", "-f", folder / "sshd_config"]
    with (
        (folder / "sshd.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL) as server,
    ):
        try:
            wait_until(lambda: _answers(port), seen=(folder / "sshd.log").read_text)
            yield port, home
        finally:
            server.terminate()
            server.wait(PATIENCE)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as there:
            return there.recv(4) == b"SSH-"
    except OSError:
        return False
