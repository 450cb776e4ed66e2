"""The keys of actors: each tells its network exactly, whatever the names are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask.messages import gate_key, network_of, sentinel_base, sentinel_key, sentinel_key_base

names = st.text(st.sampled_from("ab-%2D5 ä/"), min_size=1, max_size=8)
bounded = settings(max_examples=200, deadline=None, derandomize=True)


@bounded
@given(names, names)
def test_a_key_tells_its_network(network, actor):
    base = sentinel_base(network, actor, "0a1b2c3d")
    assert network_of(gate_key(network, actor)) == network_of(sentinel_key(base)) == network
    assert sentinel_key_base(sentinel_key(base)) == base


def test_networks_whose_names_begin_alike_are_told_apart():
    assert network_of(gate_key("digits-2", "g0")) != network_of(gate_key("digits", "2-g0"))
    assert gate_key("digits", "g0").startswith("akkordeon-digits-g0-")
    assert gate_key("digits", "g0") != gate_key("digits", "g0")


@pytest.mark.parametrize("key", ["sum-0a1b2c3d", ("akkordeon", 3), "", 7])
def test_other_keys_have_no_network(key):
    assert network_of(key) is None
