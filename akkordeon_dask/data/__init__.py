"""Providers of data: small picklable descriptions that load where the sentinel runs."""

from akkordeon_dask.data._arrays import arrays
from akkordeon_dask.data._augment import augment
from akkordeon_dask.data._checked_source import open_source
from akkordeon_dask.data._download import download
from akkordeon_dask.data._mnist import fashion_mnist, mnist
from akkordeon_dask.data._mnist_sample import mnist_sample
from akkordeon_dask.data._numbers import as_numbers
from akkordeon_dask.data._provider import Batch, Provider, Source
from akkordeon_dask.data._stream import as_provider, stream

__all__ = [
    "Batch",
    "Provider",
    "Source",
    "arrays",
    "as_numbers",
    "as_provider",
    "augment",
    "download",
    "fashion_mnist",
    "mnist",
    "mnist_sample",
    "open_source",
    "stream",
]
