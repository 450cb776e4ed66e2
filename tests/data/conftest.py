"""Data sets on disk and on a server of this machine."""

import gzip
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from tests.support.patience import PATIENCE

ARCHIVES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


@pytest.fixture(scope="session")
def full_data() -> Path:
    """The folder of the whole MNIST and Fashion-MNIST."""
    folder = os.environ.get("AKKORDEON_DATA")
    if not folder:
        pytest.skip("needs the whole MNIST: set AKKORDEON_DATA to the folder with mnist/ and fashion-mnist/")
    return Path(folder)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty user cache, and no data of the user's own; gives the cache's folder."""
    folder = tmp_path / "cache"
    monkeypatch.setattr("pooch.os_cache", lambda project: folder / project)
    monkeypatch.delenv("AKKORDEON_DATA", raising=False)
    return folder / "akkordeon_dask"


@pytest.fixture
def own(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of the user's own data."""
    folder = tmp_path / "own"
    (folder / "mnist").mkdir(parents=True)
    monkeypatch.setenv("AKKORDEON_DATA", str(folder))
    return folder / "mnist"


@pytest.fixture(scope="session")
def idx() -> Callable[..., bytes]:
    """Makes the bytes of an IDX file of uint8, gzipped, without the code under test."""

    def write(array: np.ndarray) -> bytes:
        header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
        return gzip.compress(header + array.astype(np.uint8).tobytes(), 1)

    return write


@pytest.fixture(scope="session")
def blank(idx: Callable[..., bytes]) -> dict[str, bytes]:
    """Archives of the right sizes whose images are empty; the test labels count 0 to 9 over and over."""
    return {
        "t10k-images-idx3-ubyte.gz": idx(np.zeros((10_000, 28, 28))),
        "t10k-labels-idx1-ubyte.gz": idx(np.arange(10_000) % 10),
    }


class Server(ThreadingHTTPServer):
    """Answers with what stands in `files`, by path; everything else is missing."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    def url(self, folder: str) -> str:
        """The address of a folder."""
        return f"http://127.0.0.1:{self.server_port}/{folder}/"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path)
        self.send_response(404 if content is None else 200)
        announced = len(content or b"") * (2 if self.path.startswith("/short/") else 1)
        self.send_header("Content-Length", str(announced))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    """A web server of this machine. What it has under /short/ ends before its announced length."""
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join(PATIENCE)
