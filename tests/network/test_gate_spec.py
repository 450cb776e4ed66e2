"""A gate that cannot work as written says so at once, quoting what was written."""

import numpy as np
import pytest

from akkordeon_dask import Gate, beside, nn, optim
from akkordeon_dask.errors import SpecError
from tests.support.for_each import for_each

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


@for_each(
    "option, value, known",
    [
        ("backward", "newest", "stashed, latest"),
        ("backward", ["stashed"], "stashed, latest"),
        ("on_stale", None, "drop, damp"),
        ("dtype", "float16", "float32, float64"),
        ("dtype", float, "float32, float64"),
        ("wire", "int8", "float16, bfloat16 or None"),
        ("wire", ["float16"], "float16, bfloat16 or None"),
        ("name", "", "a word without a dot"),
        ("name", "a.b", "a word without a dot"),
        ("name", 7, "a word without a dot"),
        ("workers", 0, "name, address or host"),
        ("workers", "", "name, address or host"),
        ("workers", ["alice"], "name, address or host"),
        ("workers", ["alice"], "or beside('GATE')"),
        ("resources", None, "names with amounts, e.g. {'GPU': 1}"),
        ("resources", "GPU=1", "names with amounts"),
        ("resources", {"GPU"}, "names with amounts"),
    ],
)
def test_a_bad_option_is_named_and_quoted(option, value, known):
    with pytest.raises(SpecError, match=rf"a gate's {option} ") as caught:
        Gate(nn.Linear(2, 2), SGD, **{option: value})
    assert known in str(caught.value)
    assert repr(value) in str(caught.value)


def test_only_float32_is_halved_on_the_wire():
    with pytest.raises(SpecError, match="a gate of float64 sends float64: wire='float16' halves float32"):
        Gate(nn.Linear(2, 2), SGD, dtype="float64", wire="float16")


@pytest.mark.parametrize("name", ["", 3, None])
def test_a_resource_has_a_word_as_its_name(name):
    with pytest.raises(SpecError, match=f"a gate's resources have words as names, .*, not {name!r}"):
        Gate(nn.Linear(2, 2), SGD, resources={name: 1})


def test_resources_are_kept_frozen_and_print_as_a_dict():
    gate = Gate(nn.Linear(2, 2), SGD, resources={"MEM": 0.5, "GPU": 2.0})
    same = Gate(nn.Linear(2, 2), SGD, resources={"GPU": np.int64(2), "MEM": 0.5})
    assert gate == same and hash(gate) == hash(same) and gate.resources == {"GPU": 2, "MEM": 0.5}
    assert repr(gate) == repr(same) == "Gate(nn.Linear(2, 2), optim.SGD(0.1), resources={'GPU': 2, 'MEM': 0.5})"
    assert Gate(nn.Linear(2, 2), SGD, resources={}) == Gate(nn.Linear(2, 2), SGD) != gate
    with pytest.raises(TypeError):
        gate.resources["GPU"] = 3


@pytest.mark.parametrize("name", ["", 3, None, ["g0"]])
def test_beside_takes_a_gate_s_name(name):
    with pytest.raises(SpecError, match=r"beside takes the name of a gate, e\.g\. beside\('g0'\)") as caught:
        beside(name)
    assert repr(name) in str(caught.value)


def test_a_single_layer_and_a_chain_of_it_compute_the_same():
    assert Gate(nn.Linear(2, 3), SGD).chain == Gate(nn.Chain([nn.Linear(2, 3)]), SGD).chain


def test_its_policy_is_the_optimizer_with_what_acts_on_late_gradients():
    assert Gate(nn.Linear(2, 3), SGD, name="a", workers="alice").policy == repr(SGD)
    gate = Gate(nn.Linear(2, 3), optim.GapAware(SGD), max_delay=4, on_stale="damp", accumulate=2, backward="latest")
    assert gate.policy == (
        "optim.GapAware(optim.SGD(0.1)), backward='latest', max_delay=4, on_stale='damp', accumulate=2"
    )
