"""Collections of Dask whose rows are numbered, for a network that counts the updates with each."""

import dask.array as da
import numpy as np

from akkordeon_dask import Gate, nn, optim
from akkordeon_dask.tree import STATISTICS
from tests.support.counting_layer import RowCounter
from tests.support.small_networks import numbers

SGD = optim.SGD(0.05)


def numbered(rows):
    """`(x, y)`; the first of 7 columns of x is the number of the row."""
    x, y = numbers(rows)
    return np.concatenate([np.arange(rows, dtype=np.float32)[:, None], x], axis=1), y


def collections(rows, chunk):
    """The same as arrays of Dask."""
    x, y = numbered(rows)
    return da.from_array(x, chunks=(chunk, -1)), da.from_array(y, chunks=chunk)


def counting_network(rows, *workers):
    """Two gates; the first counts."""
    front, back = workers or (None, None)
    return Gate(RowCounter(rows) >> nn.Linear(6, 5) >> nn.ReLU(), SGD, front) | Gate(nn.Linear(5, 3), SGD, back)


def updates(running):
    """The number of updates with each row."""
    return running.parameters()["g0"][0][STATISTICS]["updates"]
