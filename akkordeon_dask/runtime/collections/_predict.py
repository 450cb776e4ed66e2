"""Predictions for a collection of Dask: a lazy array, whose parts are computed where the partitions are."""

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from dask.delayed import delayed

from akkordeon_dask.data import Collections
from akkordeon_dask.memory import aligned
from akkordeon_dask.network import Network
from akkordeon_dask.runtime._checkpoint import consistent_parameters
from akkordeon_dask.runtime._column_names import check_columns
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.collections._resolve import check_kinds, form_of, join_columns, known_rows
from akkordeon_dask.runtime.collections._rows import check_names, load_rows
from akkordeon_dask.tree import Array, Tree

if TYPE_CHECKING:  # it takes long to import
    import dask.array as da

__all__ = ["predict_collection"]


@dataclass(frozen=True)
class _Trained:
    """A network with its parameters, in a task."""

    network: Network
    parameters: dict[str, Tree]
    batch_size: int
    columns: tuple[Any, ...] | None
    """Of the frame."""

    def __call__(self, number: int, part: Any) -> Array:
        """The outputs of partition `number`, a few rows at a time."""
        check_names(f"x, partition {number}", part, self.columns)
        x, size = load_rows(f"x, partition {number}", part), self.batch_size
        outputs = [self._forward(x[start : start + size]) for start in range(0, max(1, len(x)), size)]
        return np.concatenate(outputs).astype(self.dtype, copy=False)

    @property
    def dtype(self) -> "np.dtype[Any]":
        """Of the outputs: that of the last gate."""
        return np.dtype(self.network.gates[-1].dtype)

    def _forward(self, x: Array) -> Array:
        for gate, name in zip(self.network.gates, self.network.names, strict=True):
            x, _ = gate.chain.forward(self.parameters[name], aligned(x))
        return x


async def predict_collection(session: Session, x: Any, batch_size: int) -> "da.Array":
    """`Running.predict` of a collection, on the client's event loop: an array of Dask.

    Raises
    ------
    DataError, ShapeError
        when the collection holds no numbers, the network does not take its rows, or its data had other columns.
    """
    import dask.array as da

    session.check()
    data = Collections(x)
    check_kinds(data)
    x, network = join_columns("x", data.x), session.network.named()
    sample, dtype = form_of(data, x)
    network.check_input(sample, dtype)
    await check_columns(session, "x", data.columns.names)
    trained = _Trained(network, await consistent_parameters(session, rated=True), batch_size, data.columns.x)
    model = delayed(trained, name=f"akkordeon-trained-{uuid.uuid4().hex}")
    parts = [delayed(_call)(model, number, part) for number, part in enumerate(_delayed(x))]
    rows = known_rows(x) or (np.nan,) * len(parts)
    shape = tuple(np.nan if size is None else size for size in network.output_shape(sample) or (None,))
    arrays = [
        da.from_delayed(part, (many, *shape), dtype=trained.dtype) for part, many in zip(parts, rows, strict=True)
    ]
    lazy: da.Array = da.concatenate(arrays, allow_unknown_chunksizes=True)
    return lazy


def _call(trained: _Trained, number: int, part: Any) -> Array:
    return trained(number, part)


def _delayed(collection: Any) -> list[Any]:
    """A delayed object for each partition, which keeps what it needs on the cluster."""
    if isinstance(collection, tuple):
        return list(collection)
    parts = collection.to_delayed(optimize_graph=False)
    return list(parts.ravel()) if isinstance(parts, np.ndarray) else list(parts)
