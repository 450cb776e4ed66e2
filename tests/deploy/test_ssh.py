"""deploy/ssh on a real SSH server on the loopback interface."""

import importlib.util

import pytest

from tests.support.programs import run
from tests.support.ssh_server import ssh_server
from tests.support.system_tools import give_up

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

HOSTS = ["127.0.0.1"] * 3


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The port of a server, and a home folder with a key for it."""
    if importlib.util.find_spec("asyncssh") is None:
        give_up("needs asyncssh: pip install asyncssh")
    with ssh_server(tmp_path_factory.mktemp("ssh")) as found:
        yield found


def test_the_program_trains_over_ssh_and_tls(server, deploy_folder, certificates):
    port, home = server
    options = ("--port", port, "--epochs", 1, "--tls", certificates / "me")
    done = run(deploy_folder / "ssh" / "cluster.py", *HOSTS, *options, HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert "test accuracy " in done.stdout


def test_a_host_with_another_key_than_the_known_one_gets_nothing(server, deploy_folder, tmp_path):
    port, home = server
    other = tmp_path / ".ssh"
    other.mkdir(mode=0o700)
    (other / "id_ed25519").write_bytes((home / ".ssh" / "id_ed25519").read_bytes())
    (other / "id_ed25519").chmod(0o600)
    client_key = " ".join((home / ".ssh" / "id_ed25519.pub").read_text().split()[:2])
    (other / "known_hosts").write_text(f"[127.0.0.1]:{port} {client_key}\n")
    done = run(deploy_folder / "ssh" / "cluster.py", *HOSTS, "--port", port, HOME=str(tmp_path))
    assert done.returncode == 1 and "Host key is not trusted" in done.stderr
