"""Collections of Dask as a provider: a description alone, which a running network resolves."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from akkordeon_dask._numbers import check_int
from akkordeon_dask.data._column_names import ColumnNames
from akkordeon_dask.data._foreign import is_dask
from akkordeon_dask.data._provider import Provider, Source
from akkordeon_dask.errors import DataError

__all__ = ["CollectionColumns", "Collections", "from_dask", "is_collection"]


def from_dask(
    x: object,
    y: object = None,
    weights: object = None,
    *,
    target: Hashable | Sequence[Hashable] | None = None,
    shuffle_buffer: int = 4,
    seed: int = 0,
) -> Provider:
    """A provider over collections of Dask, whose partitions stay on the workers that hold or compute them.

    `running.attach(Sentinel.train(data.from_dask(x, y)))` makes a group: a sentinel on each worker that holds
    partitions, or will compute them. One epoch is all rows once. A sentinel takes or computes its partitions one after
    another and holds `shuffle_buffer` of them at most. A collection that is not persisted is computed anew in each
    epoch: persist one that fits into the workers' memory, `x = x.persist()`. Lengths of partitions that Dask does not
    know are counted once, when the group is attached. A sentinel that validates or tests reads all partitions alone,
    two of them at once, so that each pass rates one version of each gate.

    Parameters
    ----------
    x : (rows, ...), any real number dtype
        the inputs: a Dask array, frame, column or bag of records (one row of numbers each), or a list of delayed
        objects, each a partition.
    y : (rows, ...), any real number dtype
        the labels, with the partitions of `x`: the same kinds; None: there are none, or a `target`.
    weights : (rows,), real numbers of at least 0
        with the partitions of `x`: a row of weight 2 counts in losses and scores as two equal ones do, one of weight 0
        does not count; None: all weigh 1.
    target
        the column of the frame `x` that has the labels, or for regression a list of columns, one for each output; the
        other columns are the inputs.
    shuffle_buffer
        partitions in the memory of a worker among which rows are shuffled, by a pure function of (seed, epoch,
        partition); 1: the rows of one partition after another, shuffled; 0: all rows in order.
    seed
        of the orders, at least 0.

    Raises
    ------
    DataError
        when `x` is no such collection, both `y` and `target` are given, or there is no such column.

    Examples
    --------
    >>> import dask.array as da
    >>> from akkordeon_dask import data
    >>> x, y = da.zeros((60, 4), chunks=(20, 4)), da.zeros(60, chunks=20, dtype=int)
    >>> data.from_dask(x, y)
    data.from_dask(<Array of 3 partitions>, <Array of 3 partitions>)
    """
    return Collections(x, y, weights, target, shuffle_buffer, seed)


class CollectionColumns(NamedTuple):
    """The columns of frames of Dask, as it knows them, in their order; None of what is no frame."""

    x: tuple[Any, ...] | None = None
    """The targets among them."""
    y: tuple[Any, ...] | None = None
    target: Any = None
    """The column of x that is y, or a list of some."""

    @property
    def targets(self) -> list[Any]:
        """The columns of x that are targets."""
        if self.target is None:
            return []
        return self.target if isinstance(self.target, list) else [self.target]

    @property
    def names(self) -> ColumnNames:
        """Of features and targets."""
        features = [name for name in self.x or () if name not in self.targets]
        return ColumnNames.named(features, self.targets or self.y)


@dataclass(frozen=True, repr=False, eq=False)
class Collections(Provider):
    """The provider that `data.from_dask` returns."""

    x: Any
    y: Any = None
    weights: Any = None
    target: Any = None
    shuffle_buffer: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        put = object.__setattr__
        for label in ("x", "y", "weights"):
            value = getattr(self, label)
            if isinstance(value, list) or _is_delayed(value):
                put(self, label, value := tuple(value) if isinstance(value, list) else (value,))
            if label == "x" or value is not None:
                _check_collection(label, value)
        put(self, "shuffle_buffer", check_int("shuffle_buffer", self.shuffle_buffer, 0, error=DataError))
        put(self, "seed", check_int("seed", self.seed, 0, error=DataError))
        if self.target is not None:
            self._check_target()

    def _check_target(self) -> None:
        if self.y is not None:
            raise DataError(f"from_dask has both a y and target={self.target!r}: give one of them")
        columns = getattr(self.x, "columns", None)
        if columns is None:
            raise DataError(f"target={self.target!r} names a column of a frame, x is {_said(self.x)}: give y instead")
        if not self.targets:
            raise DataError(f"target={self.target!r} names no column: give at least one, or None")
        for name in self.targets:
            if name not in list(columns):
                raise DataError(f"x has no column {name!r} for the target, it has {', '.join(map(str, columns))}")
        if not set(columns) - set(self.targets):
            raise DataError(f"x has no column beside {self.targets[0]!r}, which is the target: give it inputs")

    @property
    def targets(self) -> list[Any]:
        """The columns of the frame `x` that are targets."""
        return self.columns.targets

    @property
    def columns(self) -> CollectionColumns:
        """Those of its frames."""
        return CollectionColumns(_columns(self.x), _columns(self.y), self.target)

    @property
    def labelled(self) -> bool:
        """It has labels."""
        return self.y is not None or self.target is not None

    def open(self) -> Source:
        raise DataError(
            f"{self!r} is read by the workers of a cluster: attach it to a running network, or give what fits into "
            "this process, data.arrays(*dask.compute(x, y))"
        )

    def __repr__(self) -> str:
        said = [_said(self.x), *([_said(self.y)] if self.y is not None else [])]
        if self.weights is not None:
            said.append(f"weights={_said(self.weights)}")
        for label, default in (("target", None), ("shuffle_buffer", 4), ("seed", 0)):
            if (value := getattr(self, label)) != default:
                said.append(f"{label}={value!r}")
        return f"data.from_dask({', '.join(said)})"


def is_collection(value: object) -> bool:
    """Whether a value is a collection of Dask, a delayed object, or a list of those."""
    items = value if isinstance(value, list | tuple) and value else (value,)
    return all(map(is_dask, items))


def _columns(value: Any) -> tuple[Any, ...] | None:
    is_frame = not isinstance(value, tuple) and getattr(value, "ndim", None) == 2  # a column of Dask has `columns` too
    names = getattr(value, "columns", None) if is_frame else None
    return None if names is None else tuple(names)


def _is_delayed(value: Any) -> bool:
    """It has any attribute that it is asked for, each a delayed one."""
    return type(value).__module__ == "dask.delayed"


def _check_collection(label: str, value: Any) -> None:
    items = value if isinstance(value, tuple) else (value,)
    if not items:
        raise DataError(f"{label} is an empty list: give a delayed object for each partition")
    for item in items:
        if is_dask(item):
            if not _is_delayed(item) and not hasattr(type(item), "to_delayed"):
                raise DataError(f"{label} is a {type(item).__name__} that holds a collection of Dask: give its .data")
            continue
        if hasattr(type(item), "result"):
            remedy = "make a collection of futures first, dask.delayed(future) or dask.array.from_delayed"
        else:
            remedy = "data.arrays(x, y) takes what is in memory, dask.array.from_array(x) makes a collection of it"
        raise DataError(f"{label} is no collection of Dask but a {type(item).__name__}: {remedy}")


def _said(value: Any) -> str:
    if isinstance(value, tuple):
        return f"<{len(value)} delayed objects>"
    count = getattr(value, "npartitions", None)
    return f"<{type(value).__name__}{'' if count is None else f' of {count} partitions'}>"
