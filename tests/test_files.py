import os
from pathlib import Path

import fsspec
import pytest

from akkordeon_dask._files import PART, expand, open_writable, read_bytes, write_atomic
from akkordeon_dask.errors import ReportError, SpecError
from akkordeon_dask.snapshots._files import Files


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_a_tilde_is_the_home_folder(home):
    assert expand("save", "~/a.st") == str(home / "a.st")
    assert expand("save", Path("~/a.st")) == str(home / "a.st")
    assert expand("save", "~") == str(home)


@pytest.mark.parametrize("target", ["a.st", "./~/a.st", "/x/~y", "s3://bucket/~a", "memory://a"])
def test_a_target_without_a_home_folder_is_unchanged(target):
    assert expand("save", target) == target


@pytest.mark.parametrize("target", ["", None, 3, b"a.st", "~nobody-at-all/a.st"], ids=repr)
def test_a_value_that_is_no_path_is_quoted(target):
    with pytest.raises(ReportError) as caught:
        expand("report", target, error=ReportError)
    assert str(caught.value).startswith("report takes a path") and repr(target) in str(caught.value)


def test_the_error_of_a_path_is_one_of_a_spec_by_default():
    with pytest.raises(SpecError):
        expand("save", 3)


@pytest.mark.parametrize("target", ["{}/below/a.bin", "file://{}/below/a.bin"])
def test_a_local_file_is_written_in_one_step_and_read_back(tmp_path, target):
    target = target.format(tmp_path)
    write_atomic(target, [b"one", memoryview(b"two")])
    assert read_bytes(target) == b"onetwo"
    assert os.listdir(tmp_path / "below") == ["a.bin"]


def _write_in_any_order(target, pieces):
    with open_writable(target) as file:
        file.writelines(pieces)


@pytest.mark.parametrize("write", [write_atomic, _write_in_any_order])
def test_a_link_stays_and_the_file_that_it_leads_to_is_replaced(tmp_path, write):
    real, link = tmp_path / "disk" / "a.bin", tmp_path / "a.bin"
    link.symlink_to(real)
    for content in (b"one", b"two"):
        write(str(link), [content])
        assert link.is_symlink() and real.read_bytes() == content
    assert os.listdir(real.parent) == ["a.bin"]


@pytest.mark.parametrize("write", [write_atomic, _write_in_any_order])
def test_a_pipe_is_written_into_and_stays(tmp_path, write):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(str(pipe), [b"one", b"two"])
        assert os.read(reader, 100) == b"onetwo" and pipe.is_fifo()
    finally:
        os.close(reader)


@pytest.fixture
def removed(tmp_path, monkeypatch):
    """A file that somebody removes as soon as one has looked whether it is there."""
    path, stat = tmp_path / "a.bin", os.stat
    path.write_bytes(b"before")

    def stat_and_remove(looked_at, *args, **options):
        found = stat(looked_at, *args, **options)
        if str(looked_at) == str(path):
            path.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(os, "stat", stat_and_remove)
    return path


def test_a_file_that_is_removed_meanwhile_is_missing(removed):
    with pytest.raises(FileNotFoundError):
        Files(str(removed.parent), {}).read("", removed.name)


def test_a_file_that_is_removed_meanwhile_is_written_in_one_step(removed):
    def pieces():
        yield b"one"
        assert [name.endswith(PART) for name in os.listdir(removed.parent)] == [True]
        yield b"two"

    write_atomic(removed, pieces())
    assert removed.read_bytes() == b"onetwo"


def test_a_url_is_written_and_read_back():
    write_atomic("memory://akkordeon-files/a.bin", [b"one", b"two"])
    assert read_bytes("memory://akkordeon-files/a.bin") == b"onetwo"


@pytest.mark.parametrize("target", ["{}/a.bin", "file://{}/a.bin", "memory://akkordeon-files-cut/a.bin"])
def test_an_older_file_stays_when_the_pieces_end_in_an_error(tmp_path, target):
    target = target.format(tmp_path)
    write_atomic(target, [b"before"])

    def pieces():
        yield b"half"
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        write_atomic(target, pieces())
    assert read_bytes(target) == b"before"
    system, path = fsspec.core.url_to_fs(target)
    assert not [name for name in system.ls(path.rpartition("/")[0], detail=False) if name.endswith(PART)]
