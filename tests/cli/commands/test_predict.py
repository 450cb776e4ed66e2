"""`predict`: a file of samples in, a file of predictions out."""

import numpy as np
import pytest

from akkordeon_dask import connect
from akkordeon_dask.cli._npy_files import read_samples, write_array
from akkordeon_dask.cli.commands import _predict
from akkordeon_dask.errors import DataError, ShapeError
from tests.support.dialogues import akkordeon, called

IMAGES = np.random.default_rng(7).integers(0, 255, (6000, 784)).astype(np.uint8)


@pytest.fixture
def images(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    return tmp_path / "images.npy"


def test_predict_writes_the_class_of_each_sample_or_the_outputs(digits, at, client, images, tmp_path):
    assert IMAGES.nbytes > _predict._PIECE
    classes, outputs = tmp_path / "classes.npy", tmp_path / "outputs.npy"
    with akkordeon("predict", "digits", *at, "--input", images, "--output", classes) as program:
        assert program.end() == 0
    assert (program.out, program.err) == ([f"{classes}: (6000,) int64"], [])
    done = called("predict", "digits", *at, "--input", images, "--output", outputs, "--logits")
    assert (done.exit_code, done.output) == (0, f"{outputs}: (6000, 10) float32\n")
    with connect("digits", client) as running:
        y = running.predict(IMAGES[:1000])
    np.testing.assert_allclose(np.load(outputs)[:1000], y, rtol=1e-5, atol=1e-6)
    assert (np.load(classes) == np.load(outputs).argmax(axis=1)).all()
    assert np.load(classes).dtype == np.int64
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classes.npy", "images.npy", "outputs.npy"]


def test_one_output_is_no_class_and_samples_are_not_replaced(images):
    with pytest.raises(ShapeError, match="the network has one output, there is no class to choose: write --logits"):
        _predict._classes(np.ones((3, 1)))
    done = called("predict", "digits", "--scheduler", "tcp://127.0.0.1:1", "--input", images, "--output", images)
    assert done.exit_code == 2 and "would replace the samples of --input" in " ".join(done.output.split())
    assert (np.load(images) == IMAGES).all()


def test_samples_that_do_not_fit_are_quoted_and_an_older_file_stays(digits, at, tmp_path):
    np.save(tmp_path / "small.npy", IMAGES[:5, :700])
    (tmp_path / "classes.npy").write_text("precious")
    paths = ("--input", tmp_path / "small.npy", "--output", tmp_path / "classes.npy")
    done = called("predict", "digits", *at, *paths)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ") and "700" in line and "784" in line
    assert (tmp_path / "classes.npy").read_text() == "precious"


def several(path):
    with path.open("wb") as file:
        np.savez(file, a=IMAGES, b=IMAGES)


def shortened(path):
    np.save(path, IMAGES)
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "No such file"),
        (lambda path: path.write_text("1,2,3"), "cannot read"),
        (lambda path: path.write_bytes(b""), "cannot read"),
        (shortened, "cannot read"),
        (several, r"several arrays \(a, b\)"),
        (lambda path: np.save(path, np.array([{}])), "cannot read"),
        (lambda path: np.save(path, np.array(["a"])), r"is \(1,\) <U1: samples are numbers"),
        (lambda path: np.save(path, np.float32(3)), r"is \(\) float32"),
        (lambda path: np.save(path, np.zeros((0, 784))), r"is \(0, 784\) float64"),
    ],
)
def test_a_file_that_holds_no_samples_is_quoted(tmp_path, write, message):
    write(tmp_path / "in.npy")
    with pytest.raises(DataError, match=message) as caught:
        read_samples(str(tmp_path / "in.npy"))
    assert "in.npy" in str(caught.value)


def test_samples_are_read_from_a_url_as_from_a_path(tmp_path):
    np.save(tmp_path / "in.npy", IMAGES[:3])
    assert (read_samples(f"file://{tmp_path}/in.npy") == IMAGES[:3]).all()
    with pytest.raises(DataError, match=r"cannot read 'nowhere://in\.npy'"):
        read_samples("nowhere://in.npy")


def test_a_file_that_cannot_be_written_is_quoted(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot write '.*file/classes\.npy'"):
        write_array(str(tmp_path / "file" / "classes.npy"), np.zeros(3))
