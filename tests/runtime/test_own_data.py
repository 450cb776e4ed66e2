"""Data of the user's own, in every form that numpy has, come out as they went in."""

import asyncio
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from distributed import Client

from akkordeon_dask import Gate, Sentinel, data, deploy, nn
from akkordeon_dask.errors import DataError
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, SGD, equal, numbers, rating, train


def memmap(array, folder):
    np.save(folder / "array.npy", array)
    return np.load(folder / "array.npy", mmap_mode="r")


FORMS = {
    "fortran": np.asfortranarray,
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "off the grid": lambda array: np.ndarray(array.shape, array.dtype, b" " + array.tobytes(), offset=1),
    "strided": lambda array: np.repeat(array, 2, axis=0)[::2],
    "backwards": lambda array: array[::-1].copy()[::-1],
    "lists": list,
    "no value masked": np.ma.masked_array,
    "of wider numbers": lambda array: array.astype(np.float64 if array.dtype.kind == "f" else np.uint64),
}


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    """One set of samples and labels in many forms."""
    x, y = numbers()
    forms = {name: (form(x), form(y)) for name, form in FORMS.items()}
    index = np.arange(len(x))[::-1]
    forms["frame"] = pd.DataFrame(x, index=index), pd.Series(y, index=index)
    forms["memmap"] = memmap(x, tmp_path_factory.mktemp("x")), memmap(y, tmp_path_factory.mktemp("y"))
    return forms


def test_predict_gives_equal_bits_whatever_form_the_samples_have(user, forms):
    x, _ = numbers()
    with user.deploy(NETWORK, seed=3) as running:
        wanted = running.predict(x)
        for name, (form, _) in forms.items():
            assert running.predict(form).tobytes() == wanted.tobytes(), name


def test_training_gives_equal_bits_whatever_form_the_data_have(user, forms):
    def trained(provider):
        with user.deploy(NETWORK, seed=3) as running:
            running.attach(Sentinel.train(provider, batch_size=16, concurrency=1, epochs=2, name="tdp"))
            running.wait(timeout=PATIENCE)
            return running.parameters()

    wanted = trained(data.arrays(*numbers()))
    for x, y in forms.values():
        assert equal(trained(data.arrays(x, y)), wanted)


def refilling():
    """The samples of `numbers`, batch after batch, in one pair of buffers."""
    x, y = numbers()
    one, label = np.empty_like(x[:4]), np.empty_like(y[:4])
    for start in range(0, len(x), 4):
        one[...], label[...] = x[start : start + 4], y[start : start + 4]
        yield one, label


class Refilling(data.Source):
    samples = shape = dtype = None

    def batches(self, epoch, batch_size):
        return refilling()


@dataclass(frozen=True, repr=False)
class Mine(data.Provider):
    """A provider of the user's own, whose source fills one pair of buffers."""

    def open(self):
        return Refilling()


@pytest.mark.parametrize("provider", [data.stream(refilling), Mine()], ids=["stream", "own provider"])
def test_each_drawn_batch_is_evaluated_though_all_share_a_buffer(user, provider):
    with user.deploy(NETWORK, seed=3) as running:
        wanted = running.evaluate(rating())
        for concurrency in (1, 2, 8):
            report = running.evaluate(Sentinel.test(provider, concurrency=concurrency))
            assert report.samples == wanted.samples
            assert report.loss == pytest.approx(wanted.loss, rel=1e-6)
            assert report.scores == pytest.approx(wanted.scores)


def test_samples_may_be_overwritten_while_their_prediction_is_in_flight(cluster):
    async def predicted():
        async with (
            Client(cluster.scheduler.address, asynchronous=True) as client,
            await deploy(NETWORK, client, seed=3) as running,
        ):
            x, _ = numbers()
            wanted = await running.predict(x.copy())
            answer = running.predict(x, batch_size=4)
            x[...] = np.nan
            return wanted, await answer

    wanted, answer = asyncio.run(predicted())
    np.testing.assert_allclose(answer, wanted, rtol=1e-5, atol=1e-6)


def hidden():
    x, _ = numbers()
    return np.ma.masked_array(x, np.arange(x.size).reshape(x.shape) < 8)


def masked_stream():
    yield hidden(), numbers()[1]


def test_masked_values_train_rate_and_predict_nothing(running):
    words = "x: 8 of 384 values are masked"
    with pytest.raises(DataError, match=words):
        running.predict(hidden())
    with pytest.raises(DataError, match=words):
        running.evaluate(Sentinel.test(masked_stream))
    running.attach(train(epochs=1))
    running.wait(timeout=PATIENCE)


def test_dates_and_bools_go_in_as_they_are(user):
    network = Gate(nn.Scale(20220000, 1), SGD) | Gate(nn.Scale(0, 1), SGD)
    with user.deploy(network) as running:
        dates = np.array([[20211231], [20220101], [20220102]])
        assert running.predict(dates).tolist() == [[-8769], [101], [102]]
    with user.deploy(Gate(nn.Scale(0.5, 0.5), SGD)) as running:
        assert running.predict(pd.get_dummies(pd.Series(["a", "b"]))).tolist() == [[1, -1], [-1, 1]]
