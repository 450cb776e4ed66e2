"""Labels of a column of Dask are counted on the cluster, which keeps nothing of it."""

import numpy as np
import pytest

from akkordeon_dask.errors import DataError
from akkordeon_dask.runtime.collections._labels import count_labels
from tests.support.leftovers import wait_until

da = pytest.importorskip("dask.array")


def test_an_error_of_a_count_that_is_kept_keeps_no_task(somebody, cluster):
    y = da.from_array(np.array([0.0, 1.0, np.nan, 1.0]), chunks=2)
    with pytest.raises(DataError, match="partition 1: 1 of 2 labels are missing") as kept:
        count_labels(y, None, somebody.client)
    wait_until(lambda: not cluster.scheduler.tasks, seen=lambda: cluster.scheduler.tasks)
    assert kept.value.__traceback__ is not None
