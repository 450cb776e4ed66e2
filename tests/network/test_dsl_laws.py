"""The laws of the two operators, and of networks as values."""

import ast
import copy
import dataclasses
import pickle
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akkordeon_dask import Gate, Network, nn, optim
from tests.support.spec_strategies import gates, networks, sentinels

SGD = optim.SGD(0.1)
values = st.one_of(gates(), networks(), sentinels())


@given(st.lists(st.integers(1, 9), min_size=4, max_size=4), st.data())
def test_the_bar_is_associative(widths, data):
    a, b, c = (data.draw(gates(i, o)) for i, o in pairwise(widths))
    assert (a | b) | c == a | (b | c) == a | b | c == Network([a, b, c])


@given(networks(least=2), st.integers(1, 4))
def test_a_network_is_the_join_of_its_slices(network, cut):
    cut = min(cut, len(network) - 1)
    assert network.named()[:cut] | network.named()[cut:] == network.named()
    assert type(network[:cut]) is Network


def test_the_precedence_of_python_groups_layers_into_gates():
    assert ast.dump(ast.parse("a >> b | c >> d")) == ast.dump(ast.parse("(a >> b) | (c >> d)"))


@given(values)
def test_a_value_prints_as_it_is_written(read, value):
    assert read(repr(value)) == value


@given(values)
def test_a_value_survives_the_journey(value):
    travelled = pickle.loads(pickle.dumps(value))
    assert travelled == value and type(travelled) is type(value)
    assert hash(travelled) == hash(value)
    assert repr(travelled) == repr(value)
    assert copy.deepcopy(value) == value


@given(values)
def test_a_value_is_frozen(value):
    field = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, field, None)


@given(networks())
def test_a_network_is_the_sequence_of_its_gates(network):
    assert list(network) == [network[position] for position in range(len(network))] == list(network.gates)
    assert network[-1] is network.gates[-1]
    assert network[:] == network
    assert Network(network) == network


@given(networks())
def test_writing_the_names_out_changes_nothing_else(network):
    named = network.named()
    assert named.names == network.names == tuple(gate.name for gate in named)
    assert named.named() == named
    assert [dataclasses.replace(gate, name=None) for gate in named] == [
        dataclasses.replace(gate, name=None) for gate in network
    ]


@given(networks(), networks())
def test_different_networks_print_differently(a, b):
    assert (a == b) == (repr(a) == repr(b))


def test_a_network_of_one_gate_stays_a_network_in_print(read):
    network = Network([Gate(nn.Linear(2, 1), optim.SGD(0.1))])
    assert repr(network) == "Network([Gate(nn.Linear(2, 1), optim.SGD(0.1))])"
    assert type(read(repr(network))) is Network


def test_a_network_prints_with_its_joints():
    network = Gate(nn.Linear(4, 3) >> nn.ReLU(), optim.SGD(0.1), workers="alice") | Gate(nn.Linear(3, 2), optim.SGD(1))
    assert repr(network) == (
        "Gate(nn.Linear(4, 3) >> nn.ReLU(), optim.SGD(0.1), workers='alice') | Gate(nn.Linear(3, 2), optim.SGD(1))"
    )
