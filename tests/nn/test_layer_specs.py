"""Layers are values that print as they were written; wrong ones are refused where they are written."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask import nn
from akkordeon_dask.errors import SpecError
from tests.support.for_each import for_each

plain = st.sampled_from([nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 4), nn.Scale(0, 2), nn.Softmax(), nn.Reshape((4,))])
layers = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(nn.Chain),
        st.builds(nn.Residual, inner, st.none() | inner),
        st.builds(nn.Parallel, st.lists(inner, min_size=1, max_size=3), axis=st.integers(0, 2)),
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(layers)
def test_whatever_is_nested_prints_as_it_was_written(layer):
    for same in (eval(repr(layer), {"nn": nn}), pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        assert same == layer and hash(same) == hash(layer) and repr(same) == repr(layer)


@for_each("call, said", [
    (lambda: nn.Linear(0, 3), r"nn\.Linear\(0, 3\): in_features is a whole number of at least 1, not 0"),
    (lambda: nn.Linear(3, 2, initializer=0), r"initializer=0\): .* nn\.Zeros\(\), not 0"),
    (lambda: nn.LayerNorm(()), r"nn\.LayerNorm\(\(\)\): features are a sample's shape, .*, not \(\)"),
    (lambda: nn.Embedding(3, 2, initializer=1), r"initializer=1\): .* nn\.Zeros\(\), not 1"),
    (lambda: nn.Conv2d(1, 1, 3, initializer=1), r"initializer .* not 1"),
    (lambda: nn.Conv2d(1, 1, (3, 3, 3)), r"kernel_size .* not \(3, 3, 3\)"),
    (lambda: nn.Conv2d(4, 6, 3, groups=3), r"3 groups do not divide 4 and 6 channels"),
    (lambda: nn.MaxPool2d(0), r"kernel_size, or each of a pair, is a whole number of at least 1, not 0"),
    (lambda: nn.MaxPool2d(2, stride=0), r"stride, .* not 0"),
    (lambda: nn.AvgPool2d((2, 3), padding=2), r"padding is at most half of the window of 2, not 2"),
    (lambda: nn.Conv2d(1, 1, 3, padding="valid"), r"padding is a whole number, a pair of such, or 'same', not 'valid'"),
    (lambda: nn.Conv2d(1, 1, 3, padding=((1, 2, 3), 0)), r"padding of one axis .* not \(1, 2, 3\)"),
    (lambda: nn.MaxPool2d(2, padding=(0, (0, 2))), r"padding is at most half of the window of 2, not 2"),
    (lambda: nn.Conv1d(4, 6, 3, groups=3), r"nn\.Conv1d\(4, 6, 3, groups=3\): 3 groups do not divide 4 and 6 channels"),
    (lambda: nn.Conv1d(1, 1, 3, padding="full"), r"padding is a whole number, a pair of such, or 'same', not 'full'"),
    (lambda: nn.Conv1d(1, 1, 3, padding=(1, -1)), r"padding, .* not -1"),
    (lambda: nn.Reshape(784), r"nn\.Reshape\(784\): a sample's shape is a tuple .* not 784"),
    (lambda: nn.Reshape((-1, 3, -1)), r"one size may be -1, not 2 of them"),
    (lambda: nn.Chain([]), "at least one layer"),
    (lambda: nn.Chain(()), "at least one layer"),
    (lambda: nn.Chain([nn.ReLU(), "relu"]), r"a Chain holds layers, e.g. nn.Linear\(784, 10\), not 'relu'$"),
    (lambda: nn.Chain([nn.ReLU]), r"not <class .*ReLU'>: a class is called first, ReLU\(\.\.\.\)$"),
    (lambda: nn.Flatten() >> nn.ReLU, r"nn\.Flatten\(\) >> takes a layer, not .*: a class is called first, ReLU\("),
    (lambda: nn.Flatten >> nn.ReLU(), r">> nn\.ReLU\(\) takes a layer, not .*: a class is called first, Flatten\("),
    (lambda: nn.Residual([nn.ReLU()]), r"made of an nn\.Layer .* not of \[nn\.ReLU\(\)\]$"),
    (lambda: nn.Residual(nn.ReLU(), "x"), r"made of an nn\.Layer .* not of 'x'$"),
    (lambda: nn.Parallel([]), "at least one branch"),
    (lambda: nn.Parallel([nn.ReLU(), "relu"]), r"a Parallel holds layers, e.g. nn.ReLU\(\), not 'relu'$"),
    (lambda: nn.Parallel(nn.ReLU() >> nn.Tanh()), r"a list of layers, not nn\.ReLU\(\) >> nn\.Tanh\(\)$"),
    (lambda: nn.Parallel([nn.ReLU()], "mean"), r"join='mean'\): join is one of sum, concatenate, not 'mean'"),
    (lambda: nn.Dropout(1), r"nn\.Dropout\(1\): rate is a finite number of at least 0 and below 1, not 1"),
])  # fmt: skip
def test_a_wrong_value_is_quoted(call, said):
    with pytest.raises(SpecError, match=said):
        call()


@for_each("layer, written", [
    (nn.Linear(4, 3), "nn.Linear(4, 3)"),
    (nn.Linear(4, 3, initializer=nn.Normal(0.1)), "nn.Linear(4, 3, initializer=nn.Normal(std=0.1))"),
    (nn.Linear(4, 3, bias=False, initializer=nn.HeNormal()), "nn.Linear(4, 3, bias=False)"),
    (nn.DropConnect(4, 3, 0.5), "nn.DropConnect(4, 3, 0.5)"),
    (nn.LeakyReLU(), "nn.LeakyReLU()"),
    (nn.Scale(mean=33.3, std=78.6), "nn.Scale(33.3, 78.6)"),
    (nn.Scale(mean=np.float64(33.3), std=np.float32(0.5)), "nn.Scale(33.3, 0.5)"),
    (nn.Scale(np.int64(2), 78), "nn.Scale(2, 78)"),
    (nn.Dropout(np.float64(0.25)), "nn.Dropout(0.25)"),
    (nn.TopK(5), "nn.TopK(5)"),
    (nn.SoftmaxCrossEntropy(), "nn.SoftmaxCrossEntropy()"),
    (nn.BatchNorm1d(4, np.float64(0.9), 1e-5), "nn.BatchNorm1d(4)"),
    (nn.BatchNorm2d(3, 0.5, eps=1e-3), "nn.BatchNorm2d(3, momentum=0.5, eps=0.001)"),
    (nn.LayerNorm(4), "nn.LayerNorm(4)"),
    (nn.LayerNorm((4,)), "nn.LayerNorm((4,))"),
    (nn.LayerNorm([3, 4], eps=0.5), "nn.LayerNorm((3, 4), eps=0.5)"),
    (nn.Residual(nn.ReLU()), "nn.Residual(nn.ReLU())"),
    (nn.Residual(nn.Linear(4, 4) >> nn.ReLU()), "nn.Residual(nn.Linear(4, 4) >> nn.ReLU())"),
    (nn.Residual(nn.Chain([nn.ReLU()])), "nn.Residual(nn.Chain([nn.ReLU()]))"),
    (nn.Residual(nn.Linear(4, 2), nn.Linear(4, 2)), "nn.Residual(nn.Linear(4, 2), projection=nn.Linear(4, 2))"),
    (nn.Flatten() >> nn.Residual(nn.ReLU() >> nn.Tanh()), "nn.Flatten() >> nn.Residual(nn.ReLU() >> nn.Tanh())"),
    (nn.Parallel((nn.ReLU(), nn.Tanh() >> nn.Flatten())), "nn.Parallel([nn.ReLU(), nn.Tanh() >> nn.Flatten()])"),
    (nn.Parallel([nn.ReLU()], "concatenate", 1), "nn.Parallel([nn.ReLU()], join='concatenate', axis=1)"),
    (nn.Parallel([nn.ReLU()], "sum", 0), "nn.Parallel([nn.ReLU()])"),
    (nn.Embedding(100, 8), "nn.Embedding(100, 8)"),
    (nn.Embedding(100, 8, nn.Normal(0.02)), "nn.Embedding(100, 8, initializer=nn.Normal(std=0.02))"),
    (nn.MaxPool2d(2), "nn.MaxPool2d(2)"),
    (nn.AvgPool2d(3, stride=(2, 2)), "nn.AvgPool2d(3, stride=2)"),
    (nn.Conv2d(1, 2, (3, 3), stride=[2, 2]), "nn.Conv2d(1, 2, 3, stride=2)"),
    (nn.Conv2d(1, 2, (3, 3), padding=(1, 2)), "nn.Conv2d(1, 2, 3, padding=(1, 2))"),
    (nn.Conv2d(1, 2, 3, padding=[[2, 0], [1, 1]]), "nn.Conv2d(1, 2, 3, padding=((2, 0), 1))"),
    (nn.Conv2d(1, 2, 3, padding="same"), "nn.Conv2d(1, 2, 3, padding='same')"),
    (nn.Conv1d(1, 2, 3, padding=[1, 1]), "nn.Conv1d(1, 2, 3, padding=1)"),
    (nn.Conv1d(1, 2, 3, padding=(2, 0)), "nn.Conv1d(1, 2, 3, padding=(2, 0))"),
    (nn.Reshape([1, 28, 28]), "nn.Reshape((1, 28, 28))"),
    (nn.Reshape((-1,)), "nn.Reshape((-1,))"),
    (nn.Softmax(), "nn.Softmax()"),
    (nn.Flatten(), "nn.Flatten()"),
])  # fmt: skip
def test_a_value_prints_as_it_was_written(layer, written):
    assert repr(layer) == written
    assert eval(written, {"nn": nn}) == layer


@for_each("other", [
    nn.Residual(nn.Tanh()), nn.Residual(nn.ReLU(), nn.ReLU()), nn.Parallel([nn.ReLU()]), nn.Parallel([nn.ReLU()] * 2),
    nn.Parallel([nn.ReLU()], axis=1), nn.Parallel([nn.ReLU()], "concatenate"), nn.Chain([nn.ReLU()]), nn.ReLU(),
])  # fmt: skip
def test_layers_of_another_spec_are_not_equal(other):
    assert other != nn.Residual(nn.ReLU())


@pytest.mark.parametrize("layer", [nn.Residual(nn.ReLU()), nn.Parallel([nn.ReLU()]), nn.Reshape((4,)), nn.Dropout(0.5)])
def test_a_value_cannot_be_changed(layer):
    with pytest.raises(AttributeError):
        layer.shape = (3,)
    assert (nn.Linear(4, 4) >> layer >> layer).layers == (nn.Linear(4, 4), layer, layer)
