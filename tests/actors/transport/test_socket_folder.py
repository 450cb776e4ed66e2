"""Folders of sockets: private, short, and gone with their process, however it ends."""

import contextlib
import os
import socket
import stat

import pytest

from akkordeon_dask.actors.transport import _socket_folder
from akkordeon_dask.actors.transport._socket_folder import SocketFolder
from tests.support.patience import PATIENCE
from tests.support.programs import started

HOLDER = """
import signal, socket
from akkordeon_dask.actors.transport import _socket_folder
folder = _socket_folder.SocketFolder()
bound = socket.socket(socket.AF_UNIX)
bound.bind(folder.socket)
print(folder.path, flush=True)
signal.pause()
"""


@pytest.fixture
def base(tmp_path, monkeypatch):
    """The one place for folders, here and in processes that are started."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def test_a_folder_is_private_holds_a_socket_and_goes_with_it(base):
    folder = SocketFolder()
    assert folder.path.parent == base and stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as bound:
        bound.bind(folder.socket)
        assert os.listdir(folder.path) == ["s"]
    folder.remove()
    assert not list(base.iterdir())


def test_the_folder_of_a_killed_process_goes_with_the_next_one_and_that_of_a_living_one_stays(base):
    with started("-c", HOLDER) as dead, started("-c", HOLDER) as living:
        gone, stays = (dead.stdout.readline().strip(), living.stdout.readline().strip())
        dead.kill()
        dead.wait(PATIENCE)
        assert {str(path) for path in base.iterdir()} == {gone, stays}
        mine = SocketFolder()
        assert {str(path) for path in base.iterdir()} == {stays, str(mine.path)}
        mine.remove()


def test_only_folders_like_its_own_are_removed(base):
    (base / "akkordeon-link-file").write_text("mine")
    (base / "akkordeon-link-link").symlink_to(base)
    (base / "akkordeon-link-full").mkdir()
    (base / "akkordeon-link-full" / "notes").write_text("mine")
    (base / "akkordeon-other").mkdir()
    before = set(base.iterdir())
    SocketFolder().remove()
    assert set(base.iterdir()) == before


def test_a_folder_whose_path_is_too_long_or_shared_by_hosts_is_not_used(base, monkeypatch):
    deep = base / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(_socket_folder, "_bases", lambda: [deep])
    with pytest.raises(OSError, match="at most 107 bytes"):
        SocketFolder()
    monkeypatch.setattr(_socket_folder, "_bases", lambda: [deep, base])
    monkeypatch.setattr(_socket_folder, "_file_system", lambda folder: "nfs4" if folder == base else "ext4")
    with pytest.raises(OSError, match=f"{base}: this file system is not a local one"):
        SocketFolder()
    monkeypatch.setattr(_socket_folder, "_file_system", lambda folder: "ext4")
    folder = SocketFolder()
    assert folder.path.parent == base and not list(deep.iterdir())
    folder.remove()
