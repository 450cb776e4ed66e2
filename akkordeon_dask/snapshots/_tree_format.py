"""A tree as named arrays and a description in JSON, and back. No class is ever looked up by a name in a file.

A tree here may hold more than parameters do: dicts with text keys, tuples, lists, named tuples, dataclasses; at its
leaves arrays, numpy's scalars, None, bool, int, float and str.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import numpy as np

from akkordeon_dask._repr import is_missing
from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.tree import Array, Tree

__all__ = ["Node", "build", "describe", "dress"]

Node = dict[str, Any]
"""One node of a tree: its kind and its content."""

_PLAIN = (bool, int, float, str)


def describe(tree: Tree) -> tuple[dict[str, Array], Node]:
    """The tree's arrays by name, which is their dotted path (`"1.w"`) wherever that is unique, and its form.

    Raises
    ------
    CheckpointError
        when it holds a value that cannot be saved: names its path.
    """
    arrays: dict[str, Array] = {}
    return arrays, _describe(tree, "", arrays)


def _describe(tree: Tree, path: str, arrays: dict[str, Array]) -> Node:
    if isinstance(tree, np.ndarray | np.generic):
        kind = "array" if isinstance(tree, np.ndarray) else "scalar"
        return {kind: _keep(np.asarray(tree), path, arrays)}
    if tree is None or type(tree) in _PLAIN:
        return {"value": tree}
    if type(tree) in (tuple, list):
        children = enumerate(tree)
        return {type(tree).__name__: [_describe(child, _below(path, key), arrays) for key, child in children]}
    fields = tree if type(tree) is dict else _fields(tree)
    if fields is None or not all(type(key) is str for key in fields):
        raise CheckpointError(
            f"a tree has {tree!r:.80} at {path!r}: a snapshot keeps arrays, numbers, text and None in tuples, lists, "
            "dataclasses and dicts with text keys: leave it out, or put it into one of these"
        )
    return {"fields": {key: _describe(child, _below(path, key), arrays) for key, child in fields.items()}}


def _below(path: str, key: str | int) -> str:
    # Quoted, so that any text is a name; a dot inside a key is not a step.
    part = quote(str(key), safe="", errors="surrogatepass").replace(".", "%2E")
    return f"{path}.{part}" if path else part


def _keep(array: Array, path: str, arrays: dict[str, Array]) -> str:
    # Keys such as "" lead to paths that others have too, and the format reserves one name.
    name, more = path, 0
    while name in arrays or name == "__metadata__":
        more += 1
        name = f"{path}~{more}"
    arrays[name] = array
    return name


def _fields(record: Any) -> dict[str, Any] | None:
    """A named tuple's or a dataclass's values by field."""
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {field.name: getattr(record, field.name) for field in dataclasses.fields(record) if field.init}
    if isinstance(record, tuple) and hasattr(record, "_fields"):
        return dict(zip(record._fields, record, strict=True))
    return None


def _defaults(record: Any) -> dict[str, Any]:
    """A dataclass's default values."""
    fields = dataclasses.fields(record) if dataclasses.is_dataclass(record) else ()
    return {field.name: field.default for field in fields if field.init and not is_missing(field.default)}


def build(node: Node, arrays: Mapping[str, Array]) -> Tree:
    """The tree of a form; named tuples and dataclasses as dicts of their fields.

    Raises
    ------
    KeyError, TypeError, ValueError
        when the form is not one, or an array is missing.
    """
    ((kind, what),) = node.items()
    if kind == "array":
        return arrays[what]
    if kind == "scalar":
        return arrays[what][()]
    if kind == "value":
        return what
    if kind == "fields":
        return {key: build(child, arrays) for key, child in what.items()}
    return {"tuple": tuple, "list": list}[kind](build(child, arrays) for child in what)


def dress(tree: Tree, like: Tree, path: str = "") -> Tree:
    """The tree that `build` returned, with the named tuples and dataclasses of `like`.

    Missing fields, of later versions, have their defaults.

    Raises
    ------
    CheckpointError
        when the two differ in form, or arrays in shape or dtype: names the path and both sides.
    """
    if isinstance(like, np.ndarray | np.generic) or like is None or type(like) in _PLAIN:
        return tree if _kind(tree) == _kind(like) else _refuse(tree, like, path)
    if type(like) in (tuple, list):
        if type(tree) is not type(like) or len(tree) != len(like):
            return _refuse(tree, like, path)
        pairs = zip(tree, like, strict=True)
        return type(like)(dress(mine, its, _below(path, key)) for key, (mine, its) in enumerate(pairs))
    fields = like if type(like) is dict else _fields(like)
    whole = {**_defaults(like), **tree} if type(tree) is dict else {}
    if fields is None or type(tree) is not dict or whole.keys() != fields.keys():
        return _refuse(tree, like, path)
    new = {key: dress(mine, fields[key], _below(path, key)) for key, mine in whole.items()}
    return new if type(like) is dict else type(like)(**new)


def _kind(leaf: Any) -> str:
    """The kind of a leaf: two leaves of one kind are interchangeable."""
    if isinstance(leaf, np.ndarray):
        return f"an array {leaf.shape} of {leaf.dtype}"
    if isinstance(leaf, np.generic):
        return f"a number of {leaf.dtype}"
    return "a number, text or None" if leaf is None or type(leaf) in _PLAIN else ""


def _refuse(tree: Tree, like: Tree, path: str) -> Tree:
    raise CheckpointError(
        f"at {path!r} the snapshot has {_as_text(tree)}, what it is loaded into has {_as_text(like)}: "
        "load it into the network that saved it"
    )


def _as_text(tree: Tree) -> str:
    if text := _kind(tree):
        return text
    fields = tree if type(tree) is dict else _fields(tree)
    if fields is not None:
        return f"the fields ({', '.join(map(str, fields))})"
    return f"a {type(tree).__name__} of {len(tree)}" if type(tree) in (tuple, list) else f"{tree!r:.80}"
