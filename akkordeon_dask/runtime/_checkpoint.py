"""Parameters in a file: safetensors, which never unpickles."""

from collections.abc import Collection, Mapping

import numpy as np
from distributed.utils import offload
from safetensors.numpy import save as encode

from akkordeon_dask._files import read_bytes, write_or_raise
from akkordeon_dask.actors import GateActor
from akkordeon_dask.errors import CheckpointError, ClosedError, DeadlineError
from akkordeon_dask.network import Network
from akkordeon_dask.runtime._cut_short import finished
from akkordeon_dask.runtime._cuts import CutNetwork
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.snapshots import decode, digest, metadata
from akkordeon_dask.tree import Array, Tree, from_paths, paths

__all__ = ["load", "match_parameters", "parameters", "read", "save", "write"]


_DIGEST = "akkordeon_dask sha256"
"""The key of the checksum in a file's metadata."""
_ATTEMPTS = 3
"""At a cut, before `save` gives up."""


async def parameters(session: Session) -> dict[str, Tree]:
    """`Running.parameters`, on the client's event loop."""
    versions = await session.on_gates(GateActor.parameters)
    return {name: params for name, (_, params) in versions.items()}


async def save(session: Session, target: str) -> None:
    """`Running.save`, on the client's event loop."""
    await offload(write, target, session.network, await _consistent_parameters(session))


async def _consistent_parameters(session: Session) -> dict[str, Tree]:
    """The parameters of all gates at one moment.

    Raises
    ------
    CheckpointError
        when batches stay in flight for `snapshots.cut-deadline`.
    """
    if session.closed or session.error is not None:  # nothing trains: closed gates still have their parameters
        return await parameters(session)
    for attempt in range(_ATTEMPTS):
        network = CutNetwork.of(session)
        try:
            return await network.parameters(await network.take())
        except ClosedError:
            return await parameters(session)
        except (CheckpointError, DeadlineError) as error:  # another client's cut, or a gate that moves, is soon over
            if attempt == _ATTEMPTS - 1:
                remedy = "pause the training sentinels, then save"
                raise CheckpointError(f"there are no parameters of one moment: {error}: {remedy}") from error
    raise AssertionError("unreachable")


async def load(session: Session, source: str) -> None:
    """`Running.load`, on the client's event loop."""
    arrays = await offload(read, source)
    new = await offload(match_parameters, source, arrays, session.network, await parameters(session))
    await finished(_replace(session, new))


async def _replace(session: Session, new: Mapping[str, Tree]) -> None:
    for gate in session.gates:
        await gate.ask(GateActor.replace, new[gate.name])


def write(target: str, network: Network, parameters: Mapping[str, Tree]) -> None:
    """Write all gates' parameters to a path or fsspec URL; a local file is replaced in one step.

    Raises
    ------
    CheckpointError
        when it cannot be written; what was there is left as it was.
    """
    tensors = {name: leaf.copy() for gate, tree in parameters.items() for name, leaf in paths(tree, gate)}
    about = {"format": "akkordeon_dask 1", "network": repr(network.named()), _DIGEST: digest(tensors)}
    content = encode(tensors, metadata=about)
    write_or_raise(target, [content], CheckpointError)


def read(source: str) -> dict[str, Array]:
    """All arrays of a checkpoint by their paths, `g0.1.w`; those of bfloat16 as float32.

    Raises
    ------
    CheckpointError
        when there is no such file, it is not one, has a tensor of a dtype that numpy lacks, or not the checksum that
        `write` put inside.
    """
    try:
        content = read_bytes(source)
    except (OSError, ValueError, ImportError) as error:
        raise CheckpointError(f"cannot read {source!r}: {error}: check the path") from error
    try:
        arrays = decode(content)
    except CheckpointError as error:
        raise CheckpointError(f"cannot load {source!r}: {error}") from error
    said = metadata(content).get(_DIGEST)
    if said is not None and said != digest(arrays):
        raise CheckpointError(
            f"cannot load {source!r}: its numbers are not those that were saved, their checksum is not {said!r:.80}: "
            "it was damaged or changed since, take another copy"
        )
    return arrays


def match_parameters(
    source: str, arrays: Mapping[str, Array], network: Network, like: Mapping[str, Tree]
) -> dict[str, Tree]:
    """The arrays in the form, and of the dtypes, of the network's parameters `like`.

    Raises
    ------
    CheckpointError
        when they belong to another architecture, are no floats, or not finite: names the differences of both sides.
    """
    wanted = {name: leaf for gate, tree in like.items() for name, leaf in paths(tree, gate)}
    if wanted.keys() != arrays.keys():
        sides = {"has": arrays.keys() - wanted.keys(), "lacks": wanted.keys() - arrays.keys()}
        differences = " and ".join(f"{verb} {_listed(names)}" for verb, names in sides.items() if names)
        raise CheckpointError(f"{source!r} {differences}, unlike the network {network!r:.200}: {_REMEDY}")
    cast = {name: _cast(source, name, arrays[name], leaf) for name, leaf in wanted.items()}
    return {gate: from_paths(tree, cast, gate) for gate, tree in like.items()}


_REMEDY = "load it into the network that saved it"
_NAMED = 5


def _listed(names: Collection[str]) -> str:
    """The first of them, and how many more there are."""
    first = ", ".join(f"{name!r:.80}" for name in sorted(names)[:_NAMED])
    return first + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")


def _cast(source: str, name: str, array: Array, leaf: Array) -> Array:
    """The array in the dtype of the network's leaf, whose shape it has."""
    where = f"{source!r} has {name!r}"
    if array.shape != leaf.shape:
        raise CheckpointError(f"{where} of shape {array.shape}, the network's is {leaf.shape}: {_REMEDY}")
    if array.dtype.kind != "f":
        raise CheckpointError(f"{where} of dtype {array.dtype}, the network's is {leaf.dtype}: save it as a float")
    with np.errstate(over="ignore"):  # reported below
        cast = array.astype(leaf.dtype, copy=False)
    if wrong := cast.size - np.count_nonzero(np.isfinite(cast)):
        value = array[~np.isfinite(cast)].flat[0]
        raise CheckpointError(
            f"{where} with {wrong:,} of {cast.size:,} values that are not finite as {leaf.dtype}, e.g. {value:g}: "
            "train with a lower learning rate and save again, or give the gate a wider dtype"
        )
    return cast
