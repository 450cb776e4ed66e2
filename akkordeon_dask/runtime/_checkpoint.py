"""Parameters in a file: safetensors, which never unpickles."""

from collections.abc import Mapping

from safetensors import SafetensorError
from safetensors.numpy import load as decode
from safetensors.numpy import save as encode

from akkordeon_dask._files import read_bytes, write_atomic
from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.network import Network
from akkordeon_dask.tree import Array, Tree, from_paths, paths

__all__ = ["fit", "read", "write"]


def write(target: str, network: Network, parameters: Mapping[str, Tree]) -> None:
    """Write all gates' parameters to a path or fsspec URL; a local file is replaced in one step.

    Raises
    ------
    CheckpointError
        when it cannot be written; what was there is left as it was.
    """
    tensors = {name: leaf.copy() for gate, tree in parameters.items() for name, leaf in paths(tree, gate)}
    content = encode(tensors, metadata={"format": "akkordeon_dask 1", "network": repr(network.named())})
    try:
        write_atomic(target, [content])
    except (OSError, ValueError, ImportError) as error:
        raise CheckpointError(f"cannot write {target!r}: {error}: choose another place, or make room there") from error


def read(source: str) -> dict[str, Array]:
    """All arrays of a checkpoint by their paths, `g0.1.w`.

    Raises
    ------
    CheckpointError
        when there is no such file, or it is not one.
    """
    try:
        content = read_bytes(source)
    except (OSError, ValueError, ImportError) as error:
        raise CheckpointError(f"cannot read {source!r}: {error}: check the path") from error
    try:
        return decode(content)
    except SafetensorError as error:
        raise CheckpointError(
            f"{source!r} is not a whole safetensors file ({error}): it was cut off or is something else"
        ) from error


def fit(source: str, arrays: Mapping[str, Array], network: Network, like: Mapping[str, Tree]) -> dict[str, Tree]:
    """The arrays in the form of the network's parameters `like`.

    Raises
    ------
    CheckpointError
        when they belong to another architecture: names what differs on both sides.
    """
    wanted = {name: leaf for gate, tree in like.items() for name, leaf in paths(tree, gate)}
    if odd := sorted(wanted.keys() ^ arrays.keys()):
        there = [name for name in odd if name in arrays]
        side = f"{source!r} has {', '.join(there)}" if there else f"{source!r} lacks {', '.join(odd)}"
        raise CheckpointError(f"{side}, unlike the network {network!r}: load it into the network that saved it")
    for name, leaf in wanted.items():
        if arrays[name].shape != leaf.shape:
            raise CheckpointError(
                f"{source!r} has {name} of shape {arrays[name].shape}, the network's is {leaf.shape}: "
                "load it into the network that saved it"
            )
    cast = {name: arrays[name].astype(leaf.dtype, copy=False) for name, leaf in wanted.items()}
    return {gate: from_paths(tree, cast, gate) for gate, tree in like.items()}
