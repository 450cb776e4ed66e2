"""The checks that a sentinel's source, and each form of its batches, fit the sentinel and its network."""

from typing import Any

import numpy as np

from akkordeon_dask.data import Batch, ColumnNames, Source, open_source
from akkordeon_dask.errors import DataError
from akkordeon_dask.network import Network, Sentinel, check_labels_weighed, check_weighable

__all__ = ["SourceChecks"]


class SourceChecks:
    """Checks the data of one sentinel before they reach its network.

    Parameters
    ----------
    name
        the sentinel's.
    spec
        the network that takes the samples.
    columns
        those that the network's data had before.
    """

    def __init__(self, sentinel: Sentinel, name: str, spec: Network, columns: ColumnNames) -> None:
        self._sentinel, self._name, self._spec, self._columns = sentinel, name, spec, columns
        self._source: Source | None = None

    @property
    def columns(self) -> ColumnNames:
        """Of the sentinel's own data, as far as they are known by now."""
        return ColumnNames() if self._source is None else ColumnNames.said(self._source.columns)

    def open_source(self) -> Source:
        """The source of the sentinel's provider.

        Raises
        ------
        DataError, ShapeError
            when the data as a whole do not fit; whatever the provider raises.
        """
        sentinel = self._sentinel
        self._source = source = open_source(sentinel.provider)
        self._check(source.labelled is not False, source.shape, source.dtype)
        if source.samples is not None and not sentinel.endless:
            source.batches(1, sentinel.batch_size)
        return source

    def check_batch(self, batch: Batch) -> None:
        """Raise an error for a batch that does not fit: its samples, its targets or its weights."""
        x, y = batch[:2]
        self._check(y is not None, x.shape[1:], x.dtype)
        if len(batch) > 2:
            check_weighable(self._sentinel)

    def _check(self, labelled: bool, shape: tuple[int, ...] | None, dtype: "np.dtype[Any] | None") -> None:
        """Check that the network accepts such samples, and that there are targets where they are needed."""
        sentinel = self._sentinel
        if not labelled and sentinel.mode != "predict":
            raise DataError(
                f"sentinel {self._name!r} compares with targets, {sentinel.provider!r} has none: give it labels"
            )
        self._spec.check_input(shape, dtype)
        self._check_class_weight(shape)
        label = "x" if sentinel.mode == "predict" else f"sentinel {self._name!r}"
        self.columns.check(label, self._columns)

    def _check_class_weight(self, shape: tuple[int, ...] | None) -> None:
        if (class_weight := self._sentinel.class_weight) is None:
            return
        outputs = self._spec.output_shape(shape)
        if outputs is not None and len(outputs) == 1 and outputs[0] is not None:
            check_labels_weighed(class_weight, outputs[0])
