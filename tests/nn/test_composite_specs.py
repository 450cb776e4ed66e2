"""Composites and views are values that print as they were written."""

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask import nn
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


@for_each("layer, written", [
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
def test_what_is_written_otherwise_is_another_value(other):
    assert other != nn.Residual(nn.ReLU())


@pytest.mark.parametrize("layer", [nn.Residual(nn.ReLU()), nn.Parallel([nn.ReLU()]), nn.Reshape((4,)), nn.Flatten()])
def test_a_value_cannot_be_changed(layer):
    with pytest.raises(AttributeError):
        layer.shape = (3,)
    assert (nn.Linear(4, 4) >> layer >> layer).layers == (nn.Linear(4, 4), layer, layer)
