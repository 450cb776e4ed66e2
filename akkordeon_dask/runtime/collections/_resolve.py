"""Collections of Dask become partitions: the tasks that make each of them, and how many rows each has."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

# Dask's public API hands out a partition as a collection with a graph of its own, and a Future in it for each part
# that is persisted: on a worker each of those would be one more reference, by another client. Here are keys and tasks.
from dask._task_spec import Alias, GraphNode, Task, TaskRef, convert_legacy_graph
from dask.base import optimize
from dask.core import flatten
from distributed import Client, Future

from akkordeon_dask import config
from akkordeon_dask.data import Collections
from akkordeon_dask.data._columns import NUMBERS, check_columns, describe_dtype
from akkordeon_dask.errors import AkkordeonError, DataError
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline, scheduler_id
from akkordeon_dask.runtime.collections._computed import computed
from akkordeon_dask.runtime.collections._rows import count_rows

__all__ = ["Part", "Partitions", "check_kind", "check_kinds", "form_of", "join_columns", "known_rows", "resolve"]


C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Part:
    """What a worker needs to have a partition."""

    x: Any
    """The key of its inputs,"""
    y: Any
    """of its labels, None: there are none, or they are a column of the inputs,"""
    weights: Any
    """and of the weights of its samples, None: all weigh 1."""
    graph: Mapping[Any, GraphNode]
    """The tasks that make them; keys that are not among them are on the cluster."""


@dataclass(frozen=True, slots=True)
class Partitions:
    """The partitions of a data set."""

    parts: tuple[Part, ...]
    rows: tuple[int, ...]
    shape: tuple[int, ...] | None
    """Of a sample, where it is known."""
    dtype: "np.dtype[Any] | None"
    """Of the inputs, where it is known."""

    async def homes(self, client: Client) -> dict[int, list[str]]:
        """The workers that hold a partition, by partition: of those that are persisted.

        Raises
        ------
        DeadlineError
            when the scheduler does not answer within `timeouts.control`.
        """
        persisted = {number: part.x for number, part in enumerate(self.parts) if part.x not in part.graph}
        if not persisted:
            return {}
        async with scheduler_deadline(client, config.seconds("timeouts.control")):
            holders = await client.scheduler.who_has(keys=list(persisted.values()))  # type: ignore[union-attr]
        return {number: sorted(holders.get(key) or ()) for number, key in persisted.items()}


@dataclass(frozen=True, slots=True)
class _Side:
    """The partitions of x, or of y."""

    label: str
    keys: tuple[Any, ...]
    graphs: tuple[dict[Any, GraphNode], ...]
    rows: tuple[int, ...] | None
    """None: not known before they are counted."""
    futures: "tuple[Future[Any], ...]"
    """Of those that are persisted, and of values that were scattered."""


async def resolve(client: Client, data: Collections) -> Partitions:
    """The partitions of collections; lengths that Dask does not know are counted on the cluster.

    Raises
    ------
    DataError
        when x and y do not match, or hold something else than numbers, as far as Dask knows.
    """
    check_kinds(data)
    x = join_columns("x", data.x)
    first = _side("x", x)
    await _check_futures(client, first)
    rows = await _rows(client, first, x)
    y = await _beside(client, first, rows, "y", data.y)
    weights = await _beside(client, first, rows, "weights", data.weights)
    sides = [side for side in (first, y, weights) if side is not None]
    parts = tuple(
        Part(
            key,
            None if y is None else y.keys[number],
            None if weights is None else weights.keys[number],
            {name: node for side in sides for name, node in side.graphs[number].items()},
        )
        for number, key in enumerate(first.keys)
    )
    if not sum(rows):
        raise DataError(f"{data!r} has no rows: look at what x was made of")
    return Partitions(parts, rows, *form_of(data, x))


async def _beside(client: Client, first: _Side, rows: Sequence[int], label: str, collection: Any) -> _Side | None:
    """The partitions of what belongs to the rows of x.

    Raises
    ------
    DataError
        when they do not match those of x.
    """
    if collection is None:
        return None
    side = _side(label, collection := join_columns(label, collection))
    await _check_futures(client, side)
    if len(first.keys) != len(side.keys):
        raise DataError(
            f"x has {len(first.keys)} partitions, {label} has {len(side.keys)}: give {label} the partitions of x, "
            f"{label}.rechunk(x.chunks[0]), or {label}.repartition(divisions=x.divisions)"
        )
    _check_match(label, rows, await _rows(client, side, collection))
    return side


async def _check_futures(client: Client, side: _Side) -> None:
    """Check that values which are persisted or scattered are on the cluster of the network.

    Raises
    ------
    DataError
        when they were released, or are another cluster's: names the remedy.
    """
    label, ours = side.label, None
    for future in side.futures:
        if future.cancelled():
            raise DataError(
                f"{label} needs {future.key!r:.80}, which its client has cancelled or lost: persist or scatter {label} "
                "again"
            )
        if (theirs := future.client) is None or theirs is client:
            continue
        ours = await scheduler_id(client) if ours is None else ours
        if (their := theirs._scheduler_identity.get("id", ours)) != ours:
            raise DataError(
                f"{label} is held by another cluster, scheduler {their}, and the network is on scheduler {ours}: "
                f"persist or scatter {label} by the client of the network, or give a collection that is not persisted"
            )


def check_kinds(data: Collections) -> None:
    """Check what Dask knows of the dtypes of x, y and weights.

    Raises
    ------
    DataError
        where they are no numbers: names the column and the remedy.
    """
    for label, collection in (("x", data.x), ("y", data.y), ("weights", data.weights)):
        check_kind(label, collection)


def check_kind(label: str, collection: Any) -> None:
    """Check what Dask knows of the dtypes of a collection; None passes.

    Raises
    ------
    DataError
        where they are no numbers: names the column and the remedy.
    """
    meta = getattr(collection, "_meta", None)
    if hasattr(meta, "isna"):
        check_columns(label, meta, lazy=True)
    elif isinstance(dtype := getattr(meta, "dtype", None), np.dtype) and dtype.kind not in NUMBERS:
        raise DataError(f"{label} holds {describe_dtype(dtype)}")
    if getattr(collection, "ndim", 1) == 0:
        raise DataError(f"{label} is a single number: give a collection with one row for each sample")


def join_columns(label: str, collection: C) -> C:
    """The collection with whole rows in each chunk."""
    blocks = getattr(collection, "numblocks", None)
    if blocks is None or all(number == 1 for number in blocks[1:]):
        return collection
    warnings.warn(
        f"{label} has {' x '.join(map(str, blocks))} chunks, each with a part of the columns: they are joined for each "
        f"epoch. Chunk whole rows before, {label}.rechunk({{1: -1}})",
        UserWarning,
        stacklevel=2,
    )
    rechunked: C = collection.rechunk(dict.fromkeys(range(1, len(blocks)), -1))  # type: ignore[attr-defined]
    return rechunked


def _side(label: str, collection: Any) -> _Side:
    rows = None
    if isinstance(collection, tuple):
        plain = collection
        found = [one for delayed in collection for one in _tasks(delayed)]
    elif hasattr(collection, "expr"):
        # Not `optimize`, by which frames with fewer columns of a file may get fewer partitions.
        plain = (collection.expr.simplify().lower_completely(),)
        found = _tasks(plain[0])
    else:
        plain = (collection,)
        found, rows = _tasks(optimize(collection)[0]), known_rows(collection)
    keys, graphs = tuple(key for key, _ in found), tuple(own for _, own in found)
    return _Side(label, keys, graphs, rows, tuple(_held(plain, keys, graphs)))


def _held(collections: Iterable[Any], keys: Iterable[Any], graphs: Iterable[Mapping[Any, GraphNode]]) -> Iterator[Any]:
    """The futures that partitions need, of the collections' own graphs: one that is optimized has none."""
    needed = {*keys, *(one for graph in graphs for node in graph.values() for one in node.dependencies)}
    for collection in collections:
        for node in dict(collection.__dask_graph__()).values():
            if isinstance(node, Future) and node.key in needed:
                yield node


def _tasks(collection: Any) -> list[tuple[Any, dict[Any, GraphNode]]]:
    """The key of each partition, and the tasks that make it."""
    graph = _nodes(dict(collection.__dask_graph__()))
    return [_closure(graph, key) for key in flatten(collection.__dask_keys__())]


def _nodes(graph: dict[Any, Any]) -> dict[Any, Any]:
    """The graph in Dask's present form, and its futures as they are."""
    futures = {key: value for key, value in graph.items() if isinstance(value, Future)}
    others = {key: value for key, value in graph.items() if key not in futures}
    return {**convert_legacy_graph(others), **futures}


def _closure(graph: Mapping[Any, Any], key: Any) -> tuple[Any, dict[Any, GraphNode]]:
    """The tasks that a key needs, without those that are on the cluster, and the key, without aliases."""
    found: dict[Any, GraphNode] = {}
    missing = [key]
    while missing:
        one = missing.pop()
        if one in found or one not in graph:
            continue
        node = graph[one]
        if isinstance(node, Future):
            if node.key != one:
                found[one] = Alias(one, node.key)
            continue
        found[one] = node
        missing += node.dependencies
    while isinstance(alias := found.get(key), Alias):
        del found[key]
        key = alias.target
    return key, found


def known_rows(collection: Any) -> tuple[int, ...] | None:
    """The rows of each chunk; None where they are not known."""
    chunks = getattr(collection, "chunks", None)
    if chunks is None or any(np.isnan(size) for size in chunks[0]):
        return None
    return tuple(map(int, chunks[0]))


async def _rows(client: Client, side: _Side, collection: Any) -> tuple[int, ...]:
    """The rows of each partition, counted where they are not known: of a frame, by one of its columns."""
    if side.rows is not None:
        return side.rows
    if _is_frame(collection):
        side = _side(side.label, collection[[next(iter(collection.columns))]])  # of the same partitions
    counts = [(f"akkordeon-rows-{side.label}-{number}", key) for number, key in enumerate(side.keys)]
    graph = {key: node for own in side.graphs for key, node in own.items()}
    graph |= {
        name: Task(name, count_rows, f"{side.label}, partition {number}", TaskRef(key))
        for number, (name, key) in enumerate(counts)
    }
    futures = client.get(graph, [name for name, _ in counts], sync=False)
    try:
        return tuple(await computed(client, futures, f"the rows of {side.label} are not counted"))
    except AkkordeonError:
        raise
    except Exception as error:
        raise DataError(f"the rows of {side.label} cannot be counted: {error!r}: does {side.label} compute?") from error
    finally:
        for future in futures:
            future.release()


def _check_match(label: str, x: Sequence[int], other: Sequence[int]) -> None:
    for number, (rows, its) in enumerate(zip(x, other, strict=True)):
        if rows != its:
            raise DataError(
                f"partition {number} of x has {rows:,} rows, that of {label} {its:,} (x: {sum(x):,} rows in all, "
                f"{label}: {sum(other):,}): give {label} the partitions of x, {label}.rechunk(x.chunks[0]) or "
                f"{label}.repartition(divisions=...)"
            )


def _is_frame(collection: Any) -> bool:
    return hasattr(collection, "expr") and collection.ndim == 2


def form_of(data: Collections, x: Any) -> tuple[tuple[int, ...] | None, "np.dtype[Any] | None"]:
    """The shape and dtype of a sample, as far as they are known."""
    if _is_frame(x):
        return (len(x.columns) - len(data.targets),), None
    if hasattr(x, "chunks") and not any(np.isnan(size) for size in x.shape[1:]):
        return tuple(map(int, x.shape[1:])), x.dtype
    return None, None
