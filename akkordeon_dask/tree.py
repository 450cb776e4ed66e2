"""Nested parameters: dicts and tuples with arrays at the leaves.

A layer's parameters are a dict of arrays (`{"w": ..., "b": ...}`), a chain's a tuple of its
layers' parameters. A leaf's path is the dotted way to it: `"1.w"` is `w` of the second layer.

A layer's statistics, which it observes and does not learn, stand below the key `"statistics"` of its dict:
`"1.statistics.mean"`. The functions here leave it out where they are called with `statistics=False`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from akkordeon_dask.errors import ShapeError

__all__ = [
    "STATISTICS",
    "Array",
    "Tree",
    "from_paths",
    "is_statistic",
    "join_leaves",
    "leaves",
    "map_leaves",
    "paths",
    "rebuild",
    "size",
]

Array: TypeAlias = NDArray[Any]
Tree: TypeAlias = Any
"""An array, or a dict or tuple of trees."""

STATISTICS = "statistics"
"""The key in a layer's dict below which nothing is trained."""


def paths(tree: Tree, prefix: str = "") -> Iterator[tuple[str, Array]]:
    """Each leaf with its dotted path, in a fixed order."""
    if isinstance(tree, np.ndarray):
        yield prefix, tree
        return
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, child in items:
        yield from paths(child, f"{prefix}.{key}" if prefix else str(key))


def is_statistic(path: str) -> bool:
    """The leaf of this path is observed, not trained."""
    return STATISTICS in path.split(".")


def leaves(tree: Tree, *, statistics: bool = True) -> list[Array]:
    """The arrays of a tree, in the order of `paths`."""
    found: list[Array] = []
    _collect(tree, found, statistics)
    return found


def _collect(tree: Tree, found: list[Array], statistics: bool) -> None:
    if isinstance(tree, np.ndarray):
        found.append(tree)
    elif isinstance(tree, dict):
        for key, child in tree.items():
            if statistics or key != STATISTICS:
                _collect(child, found, statistics)
    else:
        for child in tree:
            _collect(child, found, statistics)


def rebuild(tree: Tree, new: Iterator[Any], *, statistics: bool = True) -> Tree:
    """A tree of `tree`'s form with leaves from `new`, in the order of `leaves`; leaves that are left out stay."""
    if isinstance(tree, np.ndarray):
        return next(new)
    if isinstance(tree, dict):
        return {
            key: rebuild(child, new, statistics=statistics) if statistics or key != STATISTICS else child
            for key, child in tree.items()
        }
    return tuple(rebuild(child, new, statistics=statistics) for child in tree)


def map_leaves(function: Callable[[Array], Any], tree: Tree, *, statistics: bool = True) -> Tree:
    """A tree of the same form with `function` applied to every leaf; leaves that are left out stay."""
    found = [function(leaf) for leaf in leaves(tree, statistics=statistics)]
    return rebuild(tree, iter(found), statistics=statistics)


def join_leaves(function: Callable[[Array, Array, Array], Any], tree: Tree, one: Tree, other: Tree) -> Tree:
    """A tree of the same form with `function` applied to every leaf and its counterparts in `one` and `other`.

    Statistics stay as `tree` has them.

    Raises
    ------
    ShapeError
        when one of the others has another form.
    """
    # Nearly all are dicts of one form, with arrays in them: no call takes longer than to look.
    kind = type(tree)
    same = kind is type(one) is type(other)
    alike = same and kind is dict and tree.keys() == one.keys() == other.keys()
    if not alike and not (same and kind is tuple and len(tree) == len(one) == len(other)):
        _check_form(tree, one)
        _check_form(tree, other)
    if alike or isinstance(tree, dict):
        joined = {}
        for key, child in tree.items():
            if key == STATISTICS:
                joined[key] = child
                continue
            its, others = one[key], other[key]
            leaf = type(child) is type(its) is type(others) is np.ndarray
            joined[key] = function(child, its, others) if leaf else join_leaves(function, child, its, others)
        return joined
    if isinstance(tree, np.ndarray):
        return function(tree, one, other)
    return tuple([join_leaves(function, *three) for three in zip(tree, one, other, strict=True)])


def _check_form(tree: Tree, other: Tree) -> None:
    if isinstance(tree, dict):
        fits = isinstance(other, dict) and (tree.keys() == other.keys() or _trained(tree) == _trained(other))
    elif isinstance(tree, np.ndarray):
        fits = isinstance(other, np.ndarray)
    else:
        fits = isinstance(other, tuple | list) and len(tree) == len(other)
    if not fits:
        number = isinstance(other, np.generic | float | int)
        remedy = f", and numpy.asarray({other!r}) is an array" if number else ""
        raise ShapeError(f"{_form(other)} stands where {_form(tree)} does: the two have one form{remedy}")


def _trained(tree: dict[str, Tree]) -> set[str]:
    return tree.keys() - {STATISTICS}


def _form(tree: Tree) -> str:
    if isinstance(tree, np.ndarray):
        return f"an array of shape {tree.shape}"
    if isinstance(tree, dict):
        return f"a dict of {', '.join(map(repr, tree)) or 'nothing'}"
    return f"a tuple of {len(tree)}" if isinstance(tree, tuple | list) else repr(tree)


def size(tree: Tree, *, statistics: bool = True) -> int:
    """The number of numbers in the tree."""
    return sum(leaf.size for leaf in leaves(tree, statistics=statistics))


def from_paths(like: Tree, values: Mapping[str, Array], prefix: str = "") -> Tree:
    """A tree of the form of `like` with its leaves looked up by path (KeyError when one is missing)."""
    return rebuild(like, iter([values[path] for path, _ in paths(like, prefix)]))
