"""Providers of data: small picklable descriptions that load where the sentinel runs."""

from akkordeon_dask.data._arrays import arrays
from akkordeon_dask.data._assigned_source import AssignedSource, LostPartitionError, Partition
from akkordeon_dask.data._assignments import Assignment, Portion, takes, unread
from akkordeon_dask.data._augment import augment
from akkordeon_dask.data._checked_source import open_source
from akkordeon_dask.data._column_names import ColumnNames
from akkordeon_dask.data._download import download
from akkordeon_dask.data._folder_stream import stream_folder
from akkordeon_dask.data._from_dask import CollectionColumns, Collections, from_dask, is_collection
from akkordeon_dask.data._idx_pair import idx
from akkordeon_dask.data._kafka_stream import stream_kafka
from akkordeon_dask.data._mnist import fashion_mnist, mnist
from akkordeon_dask.data._mnist_sample import mnist_sample
from akkordeon_dask.data._npz import npz
from akkordeon_dask.data._numbers import as_numbers
from akkordeon_dask.data._provider import Batch, Provider, Source
from akkordeon_dask.data._standardise import Standardisation, standardise
from akkordeon_dask.data._stream import as_provider, stream
from akkordeon_dask.data._tables import csv, parquet

__all__ = [
    "AssignedSource",
    "Assignment",
    "Batch",
    "CollectionColumns",
    "Collections",
    "ColumnNames",
    "LostPartitionError",
    "Partition",
    "Portion",
    "Provider",
    "Source",
    "Standardisation",
    "arrays",
    "as_numbers",
    "as_provider",
    "augment",
    "csv",
    "download",
    "fashion_mnist",
    "from_dask",
    "idx",
    "is_collection",
    "mnist",
    "mnist_sample",
    "npz",
    "open_source",
    "parquet",
    "standardise",
    "stream",
    "stream_folder",
    "stream_kafka",
    "takes",
    "unread",
]
