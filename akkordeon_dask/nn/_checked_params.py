"""The parameters that a layer makes are those that a gate can have."""

from akkordeon_dask.errors import SpecError
from akkordeon_dask.tree import Tree, leaves, paths

__all__ = ["checked_params"]


def checked_params(layer: object, params: Tree) -> Tree:
    """The parameters that a layer has made, which gates update, save and load.

    Raises
    ------
    SpecError
        when they are no dict of arrays, of another dtype than is asked for, or two have one name.
    """
    try:
        names = [name for name, _ in paths(params)]
        trained = leaves(params, statistics=False)
    except (TypeError, RecursionError):  # numbers and texts are no trees
        raise SpecError(f"{layer!r}: init gives arrays in a dict, not {params!r:.80}") from None
    for leaf in trained:
        if leaf.dtype.kind != "f" or not leaf.dtype.isnative:
            raise SpecError(f"{layer!r}: init gives arrays of the dtype that it is asked for, not of {leaf.dtype.str}")
    if len(set(names)) < len(names):
        raise SpecError(f"{layer!r}: two parameters have one name, by a dot in it: {', '.join(names)}")
    return params
