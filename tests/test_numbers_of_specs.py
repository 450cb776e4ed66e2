"""One rule for every number that is written: numpy's count as Python's, and a value that is no number is quoted."""

import math
import pickle

import numpy as np
import pytest

from akkordeon_dask import Gate, Network, Sentinel, data, nn, optim
from akkordeon_dask.errors import SpecError
from akkordeon_dask.snapshots import Store
from tests.support.for_each import for_each

SAMPLE = data.mnist_sample("test", take=8)
GATE = nn.Linear(2, 2)

WHOLE = {
    "Linear in": (lambda n: nn.Linear(n, 3), 1),
    "Linear out": (lambda n: nn.Linear(3, n), 1),
    "DropConnect in": (lambda n: nn.DropConnect(n, 3, 0.5), 1),
    "DropConnect out": (lambda n: nn.DropConnect(3, n, 0.5), 1),
    "Embedding vocabulary": (lambda n: nn.Embedding(n, 3), 1),
    "Embedding features": (lambda n: nn.Embedding(3, n), 1),
    "BatchNorm1d": (nn.BatchNorm1d, 1),
    "BatchNorm2d": (nn.BatchNorm2d, 1),
    "LayerNorm": (nn.LayerNorm, 1),
    "LayerNorm a size": (lambda n: nn.LayerNorm((2, n)), 1),
    "LayerNorm size": (lambda n: nn.LayerNorm([2, n]), 1),
    "Reshape": (lambda n: nn.Reshape((2, n)), 1),
    "Reshape size": (lambda n: nn.Reshape([2, n]), 1),
    "Conv2d in": (lambda n: nn.Conv2d(n, 3, 3), 1),
    "Conv2d out": (lambda n: nn.Conv2d(3, n, 3), 1),
    "Conv2d kernel": (lambda n: nn.Conv2d(1, 1, n), 1),
    "Conv2d kernel pair": (lambda n: nn.Conv2d(1, 1, (2, n)), 1),
    "Conv2d stride": (lambda n: nn.Conv2d(1, 1, 3, stride=n), 1),
    "Conv2d stride pair": (lambda n: nn.Conv2d(1, 1, 3, stride=[n, 2]), 1),
    "Conv2d padding": (lambda n: nn.Conv2d(1, 1, 3, padding=n), 0),
    "Conv2d dilation": (lambda n: nn.Conv2d(1, 1, 3, dilation=n), 1),
    "Conv2d groups": (lambda n: nn.Conv2d(3, 3, 3, groups=n), 1),
    "MaxPool2d kernel": (nn.MaxPool2d, 1),
    "MaxPool2d stride": (lambda n: nn.MaxPool2d(2, stride=n), 1),
    "AvgPool2d kernel": (nn.AvgPool2d, 1),
    "AvgPool2d kernel pair": (lambda n: nn.AvgPool2d((n, 2)), 1),
    "AvgPool2d padding": (lambda n: nn.AvgPool2d(8, padding=n), 0),
    "Parallel axis": (lambda n: nn.Parallel([nn.ReLU()], axis=n), 0),
    "TopK": (nn.TopK, 1),
    "Key": (lambda n: nn.Key((n,)), None),
    "Step every": (lambda n: optim.Step(0.1, n), 1),
    "Cosine updates": (lambda n: optim.Cosine(0.1, n), 1),
    "WarmUp updates": (lambda n: optim.WarmUp(n, 0.1), 1),
    "Gate max_delay": (lambda n: Gate(GATE, optim.SGD(0.1), max_delay=n), 0),
    "Sentinel batch_size": (lambda n: Sentinel.train(SAMPLE, batch_size=n), 1),
    "Sentinel concurrency": (lambda n: Sentinel.train(SAMPLE, concurrency=n), 1),
    "Sentinel epochs": (lambda n: Sentinel.train(SAMPLE, epochs=n), 1),
    "Sentinel batches_per_pass": (lambda n: Sentinel.train(SAMPLE, batches_per_pass=n), 1),
    "Store keep": (lambda n: Store("memory://whole", keep=n), 1),
}


@for_each("three", [np.int64(3), np.int8(3), np.uint16(3), np.array(3)])
@for_each("which", WHOLE)
def test_a_whole_number_of_numpy_is_kept_and_printed_as_pythons(which, three):
    make, _ = WHOLE[which]
    made, same = make(three), make(3)
    assert repr(made) == repr(same)
    assert which == "Store keep" or (made == same and pickle.dumps(made) == pickle.dumps(same))


NONE_WHOLE = [True, False, np.True_, 2.5, 2.0, np.float32(2), math.nan, "3", b"3", 3j, object]


@for_each("bad", NONE_WHOLE)
@for_each("which", WHOLE)
def test_a_value_that_is_no_whole_number_is_quoted(which, bad):
    with pytest.raises(SpecError, match="is a whole number") as caught:
        WHOLE[which][0](bad)
    assert str(caught.value).endswith(f"not {bad.item() if isinstance(bad, np.generic) else bad!r}")


@for_each("which", WHOLE)
def test_a_whole_number_has_its_least(which):
    make, least = WHOLE[which]
    if least is None:
        assert make(-(10**30)) == make(-(10**30))
        return
    make(max(least, 1))
    for bad in (least - 1, np.int64(least - 2), -(10**30)):
        if "Reshape" in which and bad == -1:
            continue
        with pytest.raises(SpecError, match=f"not {bad}") as caught:
            make(bad)
        assert all(word.lower() in str(caught.value).lower() for word in which.split())


NUMBERS = {
    "Dropout": (nn.Dropout, (-0.1, 1)),
    "DropConnect": (lambda n: nn.DropConnect(2, 2, n), (-0.1, 1)),
    "LeakyReLU": (nn.LeakyReLU, (-0.1, 1)),
    "Normal": (nn.Normal, (-1e-3,)),
    "Scale mean": (lambda n: nn.Scale(n, 1), ()),
    "Scale std": (lambda n: nn.Scale(0, n), (0, -0.1)),
    "BatchNorm1d momentum": (lambda n: nn.BatchNorm1d(2, momentum=n), (-0.1, 1)),
    "BatchNorm2d eps": (lambda n: nn.BatchNorm2d(2, eps=n), (0, -0.1)),
    "LayerNorm eps": (lambda n: nn.LayerNorm(2, eps=n), (0, -0.1)),
    "SGD lr": (optim.SGD, (0, -0.1)),
    "SGD momentum": (lambda n: optim.SGD(0.1, momentum=n), (-0.1, 1)),
    "SGD weight_decay": (lambda n: optim.SGD(0.1, weight_decay=n), (-1e-3,)),
    "Adam lr": (optim.Adam, (0, -0.1)),
    "Adam beta1": (lambda n: optim.Adam(0.1, beta1=n), (-0.1, 1)),
    "Adam beta2": (lambda n: optim.Adam(0.1, beta2=n), (-0.1, 1)),
    "Adam eps": (lambda n: optim.Adam(0.1, eps=n), (0, -0.1)),
    "Adam weight_decay": (lambda n: optim.Adam(0.1, weight_decay=n), (-1e-3,)),
    "DCASGD lr": (optim.DCASGD, (0, -0.1)),
    "DCASGDa lr": (optim.DCASGDa, (0, -0.1)),
    "DCASGD lam": (lambda n: optim.DCASGD(0.1, lam=n), (-1e-3,)),
    "DCASGDa lam": (lambda n: optim.DCASGDa(0.1, lam=n), (-1e-3,)),
    "DCASGDa decay": (lambda n: optim.DCASGDa(0.1, decay=n), (-0.1, 1)),
    "DCASGDa eps": (lambda n: optim.DCASGDa(0.1, eps=n), (0, -0.1)),
    "Constant": (optim.Constant, (0, -0.1)),
    "Step lr": (lambda n: optim.Step(n, 10), (0, -0.1)),
    "Step factor": (lambda n: optim.Step(0.1, 10, factor=n), (0, -0.1, 1.5)),
    "Cosine lr": (lambda n: optim.Cosine(n, 10), (0, -0.1)),
    "Cosine final": (lambda n: optim.Cosine(1, 10, final=n), (-1e-3, 1.1)),
    "WarmUp then": (lambda n: optim.WarmUp(10, n), (0, -0.1)),
    "Gate amount": (lambda n: Gate(GATE, optim.SGD(0.1), resources={"GPU": n}), (0, -0.1)),
}


@for_each("half", [np.float64(0.5), np.float32(0.5), np.float16(0.5), np.array(0.5)])
@for_each("which", NUMBERS)
def test_a_number_of_numpy_is_kept_and_printed_as_pythons(which, half):
    make, _ = NUMBERS[which]
    assert repr(make(half)) == repr(make(0.5)) and make(half) == make(0.5)
    assert pickle.dumps(make(half)) == pickle.dumps(make(0.5))


@for_each("bad", [True, np.True_, math.nan, -math.inf, 10**400, "0.5", 1j, [0.5], np.zeros(2)])
@for_each("which", NUMBERS)
def test_a_value_that_is_no_number_is_quoted(which, bad):
    if which.startswith("Scale") and isinstance(bad, list | np.ndarray):
        return  # a number for each feature
    with pytest.raises(SpecError) as caught:
        NUMBERS[which][0](bad)
    assert repr(bad.item() if isinstance(bad, np.generic) else bad)[:60] in str(caught.value)


@for_each("which", NUMBERS)
def test_a_number_has_its_bounds(which):
    make, outside = NUMBERS[which]
    for bad in outside:
        with pytest.raises(SpecError, match=f"not {bad}") as caught:
            make(bad)
        assert all(word.lower() in str(caught.value).lower() for word in which.split())


FLAGS = {
    "Linear": lambda flag: nn.Linear(2, 3, flag),
    "DropConnect": lambda flag: nn.DropConnect(2, 3, 0.5, flag),
    "Conv2d": lambda flag: nn.Conv2d(1, 1, 3, bias=flag),
    "SGD": lambda flag: optim.SGD(0.1, momentum=0.9, nesterov=flag),
}


@for_each("make", FLAGS.values())
def test_a_flag_is_true_or_false(make):
    for flag in (True, False):
        assert repr(make(np.bool_(flag))) == repr(make(flag)) and make(np.bool_(flag)) == make(flag)
    for bad in (1, 0, 20, "no", None, math.nan):
        with pytest.raises(SpecError, match=f" is True or False, not {bad!r}"):
            make(bad)


def test_a_seed_is_a_whole_number():
    network = Network([Gate(GATE, optim.SGD(0.1))])
    one, other = network.init(np.int64(3)), network.init(3)
    assert (one["g0"][0]["w"] == other["g0"][0]["w"]).all()
    for bad in (True, 2.5, "3", None):
        with pytest.raises(SpecError, match=f"seed is a whole number, not {bad!r}"):
            network.init(bad)


@for_each("bad", [5, "abc", None])
def test_a_key_is_made_of_a_tuple(bad):
    with pytest.raises(SpecError, match=f"a tuple of whole numbers, .* not of {bad!r}"):
        nn.Key(bad)


@for_each("bad", [784, "784", (2.5,), (True,), (0,), (math.nan,)])
def test_the_shape_of_a_summary_is_made_of_whole_numbers(bad):
    chain = nn.Conv2d(1, 2, 3) >> nn.ReLU()
    network = Network([Gate(chain, optim.SGD(0.1))])
    for value in (chain, network):
        assert value.summary((np.int64(1), np.int16(5), None)) == value.summary([1, 5, None])
        with pytest.raises(SpecError, match="sample's shape is a"):
            value.summary(bad)


def test_numbers_of_a_snapshot_may_be_numpys():
    store = Store("memory://numbers-of-numpy")
    store.save("g0", {"w": np.zeros(3)}, number=np.int64(3), generation=np.uint8(2))
    saved = store.load("g0")
    assert (saved.number, saved.generation, type(saved.number)) == (3, 2, int)
