import hashlib
import re

import numpy as np
import pytest

from akkordeon_dask import data
from akkordeon_dask.data import _download
from akkordeon_dask.data._download import download_set
from akkordeon_dask.data._files import FileSet, fetch, find
from akkordeon_dask.data._images import Images
from akkordeon_dask.data._mnist import FASHION_MNIST, MNIST
from akkordeon_dask.errors import DataError
from tests.support.programs import free_port

IMAGES, LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"


@pytest.fixture
def dead() -> str:
    """The address of a server that is not there."""
    return f"http://127.0.0.1:{free_port()}/"


@pytest.fixture
def files(server, blank, cache):
    """Makes a set of two archives, which `server` has in the folder `good`, with the given mirrors."""
    for name, content in blank.items():
        server.files[f"/good/{name}"] = content

    def with_mirrors(*mirrors: str) -> FileSet:
        sums = tuple((name, f"sha256:{hashlib.sha256(content).hexdigest()}") for name, content in blank.items())
        return FileSet("digits", sums, mirrors)

    return with_mirrors


def kept(folder) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_missing_file_is_downloaded_once_and_read(files, server, cache):
    provider = Images("test", files(server.url("good")), shuffle=False)
    for _ in range(2):
        _, y = next(provider.open().batches(1, 10))
        assert y.tolist() == list(range(10))
    assert sorted(server.asked) == [f"/good/{IMAGES}", f"/good/{LABELS}"]
    assert kept(cache) == [IMAGES, LABELS]


def test_own_files_are_not_downloaded_whatever_their_sums(files, server, blank, own):
    folder = own.parent / "digits"
    folder.mkdir()
    (folder / LABELS).write_bytes(b"compressed again")
    assert find(files(server.url("good")), LABELS) == folder / LABELS
    assert server.asked == []


def test_the_second_mirror_is_used_where_the_first_has_nothing(files, server, dead, cache):
    for broken in (dead, server.url("empty")):
        path = fetch(files(broken, server.url("good")), LABELS)
        assert path.read_bytes() == server.files[f"/good/{LABELS}"]
        path.unlink()


def test_the_second_mirror_is_used_where_the_first_has_wrong_bytes(files, server, cache):
    server.files[f"/wrong/{LABELS}"] = b"<html>please log in</html>"
    server.files[f"/short/{LABELS}"] = server.files[f"/good/{LABELS}"]
    for broken in ("wrong", "short"):
        path = fetch(files(server.url(broken), server.url("good")), LABELS)
        assert path.read_bytes() == server.files[f"/good/{LABELS}"]
        assert kept(cache) == [LABELS]
        path.unlink()


@pytest.mark.parametrize("broken", ["wrong", "short"])
def test_wrong_bytes_alone_are_an_error_and_nothing_of_them_stays(files, server, cache, broken):
    server.files[f"/wrong/{IMAGES}"] = b"<html>please log in</html>"
    server.files[f"/short/{IMAGES}"] = server.files[f"/good/{IMAGES}"][:100]
    url = server.url(broken)
    with pytest.raises(DataError, match=re.escape(f"{IMAGES} of digits is not in {cache / 'digits'}")) as caught:
        Images("test", files(url)).open()
    assert url in str(caught.value)
    assert kept(cache) == []


def test_when_all_mirrors_are_dead_the_error_says_which_files_to_put_where(cache, dead, server):
    nowhere = FileSet("mnist", MNIST.sums, (dead, server.url("empty")))
    with pytest.raises(DataError) as caught:
        Images("train", nowhere).open()
    text = str(caught.value)
    for name, _ in MNIST.sums:
        assert f"  {name}\n" in f"{text}\n"
    assert f"Put these files in {cache / 'mnist'}, or in <folder>/mnist and set AKKORDEON_DATA=<folder>" in text
    assert dead in text
    assert "404" in text
    assert kept(cache) == []


def test_the_error_names_the_users_own_folder_where_there_is_one(own, cache, dead):
    nowhere = FileSet("mnist", MNIST.sums, (dead,))
    with pytest.raises(DataError, match=re.escape(f"Put these files in {own} or {cache / 'mnist'}:")):
        Images("test", nowhere).open()


def test_a_cached_file_with_a_wrong_sum_is_fetched_again(files, server, cache):
    files = files(server.url("good"))
    download_set(files, progress=False)
    (cache / "digits" / LABELS).write_bytes(b"damaged")
    assert download_set(files, progress=False) == cache / "digits"
    assert (cache / "digits" / LABELS).read_bytes() == server.files[f"/good/{LABELS}"]
    assert server.asked.count(f"/good/{IMAGES}") == 1


def test_what_the_user_has_is_not_downloaded(files, server, own, cache):
    files, folder = files(server.url("good")), own.parent / "digits"
    folder.mkdir()
    (folder / IMAGES).write_bytes(b"mine")
    assert download_set(files, progress=False) == cache / "digits"  # the other one is there
    (folder / LABELS.removesuffix(".gz")).write_bytes(b"mine too")
    assert download_set(files, progress=False) == folder
    assert server.asked == [f"/good/{LABELS}"]


@pytest.mark.parametrize("wanted", [True, False])
def test_download_shows_a_full_bar_for_each_file_where_it_is_wanted(
    files, server, cache, monkeypatch, capfd, blank, wanted
):
    monkeypatch.setitem(_download._SETS, "digits", files(server.url("good")))
    folder = data.download("digits", progress=wanted)
    assert kept(folder) == [IMAGES, LABELS]
    shown = capfd.readouterr().err
    for name in (IMAGES, LABELS):
        assert bool(re.search(rf"^digits/{name}.*\d", shown, re.MULTILINE)) is wanted


def test_an_unknown_set_is_refused_with_the_known_ones():
    with pytest.raises(DataError, match="no data set 'cifar': give one of 'mnist', 'fashion-mnist'"):
        data.download("cifar")


@pytest.mark.parametrize("files", [MNIST, FASHION_MNIST])
def test_the_published_sets_have_two_mirrors_and_a_sum_for_each_archive(files):
    assert len(files.mirrors) == 2
    assert all(mirror.endswith("/") for mirror in files.mirrors)
    assert len({name for name, _ in files.sums}) == 4
    lengths = {"sha256": 64, "md5": 32}
    for _, known in files.sums:
        kind, _, digits = known.partition(":")
        assert len(digits) == lengths[kind]
        assert np.all([digit in "0123456789abcdef" for digit in digits])
