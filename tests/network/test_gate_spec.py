"""A gate that cannot work as written says so at once, quoting what was written."""

import pytest

from akkordeon_dask import Gate, nn, optim
from akkordeon_dask.errors import SpecError

SGD = optim.SGD(0.1)


@pytest.mark.parametrize("layers", [3, None, nn.Linear, [nn.Linear(2, 2)], optim.SGD(0.1)])
def test_layers_are_layers(layers):
    with pytest.raises(SpecError, match=r"layers are an nn\.Layer or layers joined by >>") as caught:
        Gate(layers, SGD)
    assert repr(layers) in str(caught.value)


@pytest.mark.parametrize("optimizer", [0.1, None, optim.SGD, nn.ReLU()])
def test_an_optimizer_is_one(optimizer):
    with pytest.raises(SpecError, match=r"optimizer is one of optim, e\.g\. optim\.SGD\(0\.1\)") as caught:
        Gate(nn.Linear(2, 2), optimizer)
    assert repr(optimizer) in str(caught.value)


@pytest.mark.parametrize(
    ("option", "value", "known"),
    [
        ("backward", "newest", "stashed, latest"),
        ("backward", ["stashed"], "stashed, latest"),
        ("on_stale", None, "drop, damp"),
        ("dtype", "float16", "float32, float64"),
        ("dtype", float, "float32, float64"),
        ("max_delay", -1, "from 0"),
        ("max_delay", 1.5, "from 0"),
        ("max_delay", "3", "from 0"),
        ("max_delay", True, "from 0"),
        ("name", "", "a word without a dot"),
        ("name", "a.b", "a word without a dot"),
        ("name", 7, "a word without a dot"),
        ("workers", 0, "name, address or host"),
        ("workers", "", "name, address or host"),
        ("workers", ["alice"], "name, address or host"),
    ],
)
def test_a_bad_option_is_named_and_quoted(option, value, known):
    with pytest.raises(SpecError, match=rf"a gate's {option} ") as caught:
        Gate(nn.Linear(2, 2), SGD, **{option: value})
    assert known in str(caught.value)
    assert repr(value) in str(caught.value)


def test_a_single_layer_and_a_chain_of_it_compute_the_same():
    assert Gate(nn.Linear(2, 3), SGD).chain == Gate(nn.Chain([nn.Linear(2, 3)]), SGD).chain
