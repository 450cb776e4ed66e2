"""The file of a network's parameters, written and read piece by piece: safetensors, which never unpickles."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import IO, Any, TypeAlias

import numpy as np

from akkordeon_dask._files import open_readable, open_writable
from akkordeon_dask._pieces import PIECE, Leaf, Piece, Span, Spans, check_piece, sealed, spans
from akkordeon_dask.errors import AkkordeonError, CheckpointError
from akkordeon_dask.network import Network
from akkordeon_dask.snapshots import BFLOAT16, Tensor, digest_title, header, layout, widened
from akkordeon_dask.tree import Array, is_statistic

__all__ = ["Leaves", "Section", "read_pieces", "write_pieces"]

Leaves: TypeAlias = Mapping[str, tuple[Leaf, ...]]
"""Those of each gate's parameters, by its name."""
Section: TypeAlias = tuple[str, Spans]
"""A gate, and the spans of a piece of its parameters."""

_DIGEST = "akkordeon_dask sha256 of tensors"
"""The key of the checksum in a file's metadata."""
_FORMER_DIGEST = "akkordeon_dask sha256"
"""The key that earlier versions used, for a checksum of the paths in the network that saved the file."""
_UNKNOWN = "0" * 2 * hashlib.sha256().digest_size
"""In the place of a checksum before it is known."""


def write_pieces(
    target: str,
    network: Network,
    leaves: Leaves,
    fetch: Callable[[Iterable[Section]], Iterator[tuple[Section, Piece]]],
    size: int = PIECE,
) -> None:
    """Write all gates' parameters to a path or fsspec URL; a local file is replaced in one step. Not on an event loop.

    They are named by their paths, `g0.1.w`; or where another library has a name for each of them, and no two are equal,
    by those.

    Parameters
    ----------
    fetch
        the pieces of these sections, in their order.
    size
        bytes of a piece, at most.

    Raises
    ------
    CheckpointError
        when it cannot be written; the file that was there is left as it was.
    """
    try:
        with open_writable(target) as file:
            _write(file, network, leaves, fetch(_sections(leaves, size)))
    except AkkordeonError:
        raise
    except (OSError, ValueError, ImportError) as error:
        remedy = "choose another place, or make room there"
        raise CheckpointError(f"cannot write {target!r}: {error}: {remedy}") from error


def _write(file: IO[bytes], network: Network, leaves: Leaves, pieces: Iterable[tuple[Section, Piece]]) -> None:
    own = _own_names(network, leaves)
    by_path = {path: (np.dtype(leaf.dtype), leaf.shape) for path, leaf in _by_name(leaves).items()}
    forms = {name: form for path, form in by_path.items() for name in own.get(path, (path,))}
    # As safetensors orders them: the largest items first.
    forms = dict(sorted(forms.items(), key=lambda item: (-item[1][0].itemsize, item[0])))
    about = {"format": "akkordeon_dask 1", "network": repr(network.named())}
    _, tensors = header(forms, about | {_DIGEST: _UNKNOWN})
    total = _Digest()
    for (gate, where), piece in pieces:
        check_piece(where, piece)
        content, begin = piece.content.data, 0
        for span in where:
            path, end = f"{gate}.{span.path}", begin + span.end - span.begin
            for name in own.get(path, (path,)):
                total.add(name, *by_path[path], content[begin:end])
                file.seek(tensors[name].begin + span.begin)
                file.write(content[begin:end])
            begin = end
    file.seek(0)
    file.write(header(forms, about | {_DIGEST: total.hexdigest()})[0])


def read_pieces(
    source: str,
    network: Network,
    leaves: Leaves,
    send: Callable[[Iterable[tuple[Section, Piece]]], None],
    size: int = PIECE,
) -> None:
    """Read all gates' parameters from a path or fsspec URL, in the gates' dtypes. Not on an event loop.

    Parameters
    ----------
    send
        takes all pieces, and hands them on. They are good for use once this function returns.
    size
        bytes of a piece, at most.

    Raises
    ------
    CheckpointError
        when there is no such file, it is not one, does not have the checksum that `write_pieces` put inside, or belongs
        to another architecture, where both sides are named; when its numbers are no floats, or not finite in the
        network. Buffers and other numbers that are not trained may be infinite.
    """
    try:
        with open_readable(source) as file:
            _Reader(source, file, network, leaves).send(send, size)
    except AkkordeonError:
        raise
    except (OSError, ValueError, ImportError) as error:
        raise CheckpointError(f"cannot read {source!r}: {error}: check the path") from error


class _Digest:
    """The checksum of tensors: of their names, dtypes, shapes and bytes, in the order of the names.

    The network that they belong to is no part of it: the same names may stand in other gates.
    """

    def __init__(self) -> None:
        self._tensors: dict[str, Any] = {}

    def add(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], content: bytes | memoryview) -> None:
        """Add the next bytes of a tensor."""
        if name not in self._tensors:
            self._tensors[name] = hashlib.sha256(digest_title(name, dtype, shape))
        self._tensors[name].update(content)

    def hexdigest(self) -> str:
        return hashlib.sha256(b"".join(its.digest() for _, its in sorted(self._tensors.items()))).hexdigest()


class _Reader:
    """Reads one file for one network."""

    def __init__(self, source: str, file: IO[bytes], network: Network, leaves: Leaves) -> None:
        self._source, self._file, self._leaves = source, file, leaves
        try:
            tensors, about = layout(file)
        except CheckpointError as error:
            raise CheckpointError(f"cannot load {source!r}: {error}") from error
        self._said, self._former = about.get(_DIGEST), about.get(_FORMER_DIGEST)
        self._digest, self._former_digest = _Digest(), hashlib.sha256()
        own = _own_names(network, leaves)
        self._tensors = _by_path(tensors, own)
        self._wanted = _by_name(leaves)
        self._not_finite: dict[str, tuple[int, Any]] = {}
        """By tensor, the number of its values that are not finite in the network, and one of them."""
        _check_names(source, self._tensors, network, self._wanted, own)
        self._names: dict[str, tuple[str, ...]] = {path: (path,) for path in self._wanted}
        """By path, the names in the file."""
        if self._tensors is not tensors:
            self._names = {path: tuple(name for name in names if name in tensors) for path, names in own.items()}
        for name, leaf in self._wanted.items():
            _check_form(self._named(name), self._tensors[name], leaf)
        for names in self._names.values():
            self._check_tied([(name, tensors[name]) for name in names])

    def _named(self, path: str) -> str:
        """For errors: what the file calls a tensor, and the network."""
        name = self._names[path][0]
        return f"{self._source!r} has {name!r}" + (f" ({path!r} of the network)" if name != path else "")

    def _check_tied(self, ones: Sequence[tuple[str, Tensor]]) -> None:
        """Refuse a file with different numbers for what is one tensor in the network."""
        (first, expected), *others = ones
        for name, tensor in others:
            same = (tensor.shape, tensor.code) == (expected.shape, expected.code)
            if not same or any(
                one != other for one, other in zip(self._bytes(expected), self._bytes(tensor), strict=True)
            ):
                raise CheckpointError(
                    f"{self._source!r} has {first!r} and {name!r} with different numbers, and in this network they are "
                    "one tensor: load it into a network whose module has two, or save it with both tied"
                )

    def _bytes(self, tensor: Tensor) -> Iterator[bytes]:
        """The bytes of a tensor, in pieces."""
        for begin in range(tensor.begin, tensor.end, PIECE):
            self._file.seek(begin)
            yield self._file.read(min(PIECE, tensor.end - begin))

    def send(self, send: Callable[[Iterable[tuple[Section, Piece]]], None], size: int) -> None:
        """Send all pieces, and check afterwards what only all of them show."""
        send(self._pieces(size))
        self._check_digest()
        for name, (wrong, value) in self._not_finite.items():
            leaf = self._wanted[name]
            raise CheckpointError(
                f"{self._named(name)} with {wrong:,} of {np.prod(leaf.shape):,} values that are not finite as "
                f"{np.dtype(leaf.dtype)}, e.g. {value:g}: train with a lower learning rate and save again, or give "
                "the gate a wider dtype"
            )

    def _check_digest(self) -> None:
        if self._said is not None:
            said, found, remedy = self._said, self._digest.hexdigest(), "take another copy"
        elif self._former is not None:
            said, found, remedy = self._former, self._former_digest.hexdigest(), "take another copy"
            if any(names != (path,) for path, names in self._names.items()):
                remedy += "; or an earlier version saved it, from other gates: load it into the network that saved it"
        else:
            return
        if said != found:
            raise CheckpointError(
                f"cannot load {self._source!r}: its numbers are not those that were saved, their checksum is not "
                f"{said!r:.80}: it was damaged or changed since, {remedy}"
            )

    def _pieces(self, size: int) -> Iterator[tuple[Section, Piece]]:
        for gate, where in _sections(self._leaves, size):
            parts = [self._numbers(f"{gate}.{span.path}", span).view(np.uint8) for span in where]
            yield (gate, where), sealed(parts[0] if len(parts) == 1 else np.concatenate(parts))

    def _numbers(self, name: str, span: Span) -> Array:
        """The numbers of a span, in the network's dtype."""
        tensor, dtype = self._tensors[name], np.dtype(self._wanted[name].dtype)
        item = tensor.dtype.itemsize
        first, count = span.begin // dtype.itemsize, (span.end - span.begin) // dtype.itemsize
        self._file.seek(tensor.begin + first * item)
        content = self._file.read(count * item)
        if len(content) < count * item:
            raise CheckpointError(f"cannot load {self._source!r}: it became shorter meanwhile: take another copy")
        for its in self._names[name]:
            self._digest.add(its, tensor.dtype, tensor.shape, content)
        numbers = np.frombuffer(content, tensor.dtype)
        if tensor.code == BFLOAT16:
            numbers = widened(numbers)
        if self._said is None and self._former is not None:
            title = digest_title(name, numbers.dtype, tensor.shape) if span.begin == 0 else b""
            self._former_digest.update(title)
            self._former_digest.update(numbers.view(np.uint8).data)
        with np.errstate(over="ignore"):  # reported below
            cast = numbers.astype(dtype, copy=False)
        if dtype.kind in "iu" and (lost := cast != numbers).any():
            value = numbers[lost][0]
            raise CheckpointError(f"{self._named(name)} with {value}, which the network's {dtype} lacks: {_REMEDY}")
        bad = ~np.isfinite(cast)
        if is_statistic(span.path):  # it may be infinite, as a mask of attention is
            bad &= ~np.isinf(numbers)
        if wrong := int(np.count_nonzero(bad)):
            before, value = self._not_finite.get(name, (0, numbers[bad][0]))
            self._not_finite[name] = before + wrong, value
        return cast


def _by_name(leaves: Leaves) -> dict[str, Leaf]:
    """All leaves by their names in the file: `g0.1.w`."""
    return {f"{gate}.{leaf.path}": leaf for gate, its in leaves.items() for leaf in its}


def _own_names(network: Network, leaves: Leaves) -> dict[str, tuple[str, ...]]:
    """By path, the names that another library has for each leaf; empty unless all have some, and no two are equal."""
    chains = {name: gate.chain for name, gate in zip(network.names, network.gates, strict=True)}
    names = {
        f"{gate}.{leaf.path}": chains[gate].parameter_names(leaf.path) for gate, its in leaves.items() for leaf in its
    }
    every = [name for its in names.values() for name in its]
    return names if all(names.values()) and len(set(every)) == len(every) else {}


def _by_path(tensors: Mapping[str, Tensor], own: Mapping[str, tuple[str, ...]]) -> Mapping[str, Tensor]:
    """Tensors with another library's names, of which one will do for tied ones, by path; others as they are."""
    found = {path: tensors[name] for path, names in own.items() for name in names if name in tensors}
    foreign = tensors.keys() <= {name for names in own.values() for name in names}
    return found if foreign and found.keys() == own.keys() else tensors


def _sections(leaves: Leaves, size: int) -> Iterator[Section]:
    """The sections of all pieces, in the order of the leaves' names: so the checksum of earlier versions has them."""
    ordered = sorted((f"{gate}.{leaf.path}", gate, leaf) for gate, its in leaves.items() for leaf in its)
    for gate, group in groupby(ordered, key=lambda one: one[1]):
        for where in spans((leaf for _, _, leaf in group), size):
            yield gate, where


_REMEDY = "load it into the network that saved it"
_NAMED = 5


def _check_names(
    source: str, tensors: Mapping[str, Tensor], network: Network, wanted: Mapping[str, Leaf],
    own: Mapping[str, tuple[str, ...]],
) -> None:  # fmt: skip
    if wanted.keys() != tensors.keys():
        sides = {"has": tensors.keys() - wanted.keys(), "lacks": wanted.keys() - tensors.keys()}
        foreign = {name for names in own.values() for name in names}
        if len(foreign & tensors.keys()) > len(wanted.keys() & tensors.keys()):  # written by another library
            lacking = {names[0] for names in own.values() if tensors.keys().isdisjoint(names)}
            sides = {"has": tensors.keys() - foreign, "lacks": lacking}
        differences = " and ".join(f"{verb} {_listed(names)}" for verb, names in sides.items() if names)
        raise CheckpointError(f"{source!r} {differences}, unlike the network {network!r:.200}: {_REMEDY}")


def _listed(names: Collection[str]) -> str:
    """The first of them, and how many more there are."""
    first = ", ".join(f"{name!r:.80}" for name in sorted(names)[:_NAMED])
    return first + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")


def _check_form(where: str, tensor: Tensor, leaf: Leaf) -> None:
    dtype = np.dtype(leaf.dtype)
    if tensor.shape != leaf.shape:
        raise CheckpointError(f"{where} of shape {tensor.shape}, the network's is {leaf.shape}: {_REMEDY}")
    if dtype.kind != "f" and tensor.dtype.kind == dtype.kind and tensor.code != BFLOAT16:  # a count, or a mask
        return
    if dtype.kind != "f" or (tensor.dtype.kind != "f" and tensor.code != BFLOAT16):
        its = "bfloat16" if tensor.code == BFLOAT16 else str(tensor.dtype)
        remedy = "a float" if dtype.kind == "f" else str(dtype)
        raise CheckpointError(f"{where} of dtype {its}, the network's is {dtype}: save it as {remedy}")
