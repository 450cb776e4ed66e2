"""The laws of nested parameters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask.errors import ShapeError
from akkordeon_dask.tree import from_paths, join_leaves, leaves, map_leaves, paths, rebuild, size
from tests.support.for_each import for_each

bounded = settings(max_examples=60, deadline=None, derandomize=True)
arrays = st.lists(st.integers(0, 3), max_size=2).map(np.zeros)
trees = st.recursive(
    arrays,
    lambda inner: st.dictionaries(st.sampled_from("wbxyz"), inner, max_size=3) | st.lists(inner, max_size=3).map(tuple),
    max_leaves=8,
)


def form(tree):
    if isinstance(tree, np.ndarray):
        return id(tree)
    return {key: form(child) for key, child in tree.items()} if isinstance(tree, dict) else tuple(map(form, tree))


@bounded
@given(trees)
def test_paths_and_leaves_go_the_same_way(tree):
    found = leaves(tree)
    walked = list(paths(tree))
    assert [id(leaf) for _, leaf in walked] == [id(leaf) for leaf in found]
    assert len({path for path, _ in walked}) == len(found)


@bounded
@given(trees)
def test_a_tree_of_its_own_leaves_is_the_tree(tree):
    assert form(rebuild(tree, iter(leaves(tree)))) == form(tree)
    assert form(from_paths(tree, dict(paths(tree)))) == form(tree)
    assert form(map_leaves(lambda leaf: leaf, tree)) == form(tree)


@bounded
@given(trees)
def test_mapping_keeps_the_form_and_takes_each_leaf_once(tree):
    seen = []
    mapped = map_leaves(lambda leaf: seen.append(id(leaf)) or np.ones_like(leaf), tree)
    assert seen == [id(leaf) for leaf in leaves(tree)]
    assert [path for path, _ in paths(mapped)] == [path for path, _ in paths(tree)]
    assert all((leaf == 1).all() for leaf in leaves(mapped)) and all((leaf == 0).all() for leaf in leaves(tree))


@bounded
@given(trees, st.sampled_from(["", "g0", "g0.slots"]))
def test_a_prefix_stands_before_each_path(tree, prefix):
    plain = [path for path, _ in paths(tree)]
    prefixed = [path for path, _ in paths(tree, prefix)]
    assert prefixed == [".".join(part for part in (prefix, path) if part) for path in plain]
    assert form(from_paths(tree, dict(paths(tree, prefix)), prefix)) == form(tree)


@bounded
@given(trees)
def test_the_size_is_the_sum_of_the_leaves(tree):
    assert size(tree) == sum(leaf.size for leaf in leaves(tree))
    assert size((tree, {"again": tree})) == 2 * size(tree)


def test_paths_by_hand():
    w, b, u = np.zeros((2, 3)), np.zeros(3), np.zeros(1)
    tree = ({}, {"w": w, "b": b}, ({"u": u}, ()))
    assert [path for path, _ in paths(tree)] == ["1.w", "1.b", "2.0.u"]
    assert size(tree) == 10
    assert form(from_paths(tree, {"1.b": b, "2.0.u": u, "1.w": w, "unused": u})) == form(tree)


def test_a_missing_leaf_is_named():
    with pytest.raises(KeyError, match=r"1\.w"):
        from_paths(({}, {"w": np.zeros(1)}), {"0.w": np.zeros(1)})


@bounded
@given(trees)
def test_joining_combines_the_leaves_of_one_path(tree):
    one, other, seen = map_leaves(np.ones_like, tree), map_leaves(np.ones_like, tree), []
    joined = join_leaves(lambda *three: seen.append(tuple(map(id, three))) or three[1], tree, one, other)
    assert seen == [tuple(map(id, three)) for three in zip(leaves(tree), leaves(one), leaves(other), strict=True)]
    assert form(joined) == form(one)


def test_joining_leaves_statistics_as_the_first_tree_has_them():
    one, other = ({"w": np.full(2, k), "statistics": {"mean": np.full(2, k)}} for k in (1.0, 2.0))
    joined = join_leaves(lambda a, b, c: a + b + c, one, other, one)
    assert joined["statistics"] is one["statistics"] and (joined["w"] == 4).all()


ONE = np.ones(1)


@for_each("other, said", [
    ({"w": (ONE, ONE)}, "a dict of 'w' stands where a dict of 'w', 'b' does"),
    ({"w": (ONE, ONE), "b": ONE, "c": ONE}, "a dict of 'w', 'b', 'c' stands where"),
    ({"w": (ONE,), "b": ONE}, "a tuple of 1 stands where a tuple of 2 does"),
    ({"w": (ONE, ONE), "b": {}}, r"a dict of nothing stands where an array of shape \(1,\) does"),
    ({"w": ONE, "b": ONE}, r"an array of shape \(1,\) stands where a tuple of 2 does"),
    ({"w": (ONE, ONE), "b": 1.5}, r"1\.5 stands where.*one form, and numpy\.asarray\(1\.5\) is an array"),
    ((), "a tuple of 0 stands where a dict"),
    (None, "None stands where a dict"),
])  # fmt: skip
def test_trees_of_other_forms_are_not_joined(other, said):
    tree = {"w": (ONE, ONE), "b": ONE}
    for others in ((other, tree), (tree, other)):
        with pytest.raises(ShapeError, match=said):
            join_leaves(lambda *three: three[0], tree, *others)


def test_keys_are_joined_whatever_their_order_and_statistics_may_be_missing():
    tree = {"w": ONE, "statistics": {"mean": ONE}, "b": 2 * ONE}
    turned = {"b": 5 * ONE, "w": 3 * ONE}
    joined = join_leaves(lambda a, b, c: a + b + c, tree, turned, turned)
    assert (joined["w"], joined["b"], joined["statistics"]) == (7, 12, tree["statistics"])
