"""Stores for snapshots."""

import uuid

import fsspec
import pytest


@pytest.fixture
def memory_url():
    """A folder of its own in the file system that all of the process shares."""
    folder = f"/snapshots-{uuid.uuid4().hex}"
    yield f"memory:/{folder}"
    system = fsspec.filesystem("memory")
    if system.exists(folder):
        system.rm(folder, recursive=True)


@pytest.fixture(params=["path", "file", "memory"])
def url(request, tmp_path, memory_url):
    """The kinds of places that every machine has."""
    return {"path": str(tmp_path / "a" / "b"), "file": f"file://{tmp_path}/a/b", "memory": memory_url}[request.param]
