"""Collections of Dask as data: resolved into partitions, read by a group of sentinels."""

from akkordeon_dask.runtime.collections._labels import (
    as_labels,
    class_numbers,
    comparable,
    count_labels,
    count_missing_labels,
    distinct_labels,
)
from akkordeon_dask.runtime.collections._resolve import check_kind
from akkordeon_dask.runtime.collections._rows import check_names, load_rows

__all__ = [
    "as_labels",
    "check_kind",
    "check_names",
    "class_numbers",
    "comparable",
    "count_labels",
    "count_missing_labels",
    "distinct_labels",
    "load_rows",
]
