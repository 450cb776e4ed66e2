"""Partitions are computed with little memory, and a worker that has none left says so."""

from contextlib import contextmanager

import dask
import numpy as np
import pandas as pd
import pytest
from dask._task_spec import Task, TaskRef
from distributed import Status

from akkordeon_dask import Sentinel, data
from akkordeon_dask.data import CollectionColumns
from akkordeon_dask.errors import DataError
from akkordeon_dask.runtime.collections._labels import count_labels
from akkordeon_dask.runtime.collections._resolve import Part
from akkordeon_dask.runtime.collections._rows import load_partition
from akkordeon_dask.runtime.collections._source import _in_one_task
from tests.support.dask_rows import collections, counting_network
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE, scaled

X = np.arange(12.0).reshape(6, 2)


def plus(first, second):
    return first + second


def in_turn(tasks):
    """The value of the last of some tasks, whose order is that of their dependencies."""
    found = {"there": X}
    for key, task in tasks.items():
        found[key] = task(found)
    return found[key]


@pytest.mark.parametrize("steps", [3, 100])
def test_few_steps_are_one_task_and_many_stay_tasks_with_the_same_rows(steps):
    graph, before = {}, "there"
    for number in range(steps):
        graph[f"step{number}"] = Task(f"step{number}", plus, TaskRef(before), 1)
        before = f"step{number}"
    tasks = _in_one_task("partition", 0, Part(before, "there", None, graph), CollectionColumns())
    assert len(tasks) == (1 if steps == 3 else steps + 1)
    assert tasks["partition"].dependencies == ({"there"} if steps == 3 else {before, "there"})
    rows = in_turn(tasks)
    np.testing.assert_array_equal(rows.x, X + steps)
    np.testing.assert_array_equal(rows.y, X)


def test_a_partition_is_rows_in_c_order_and_the_machines_byte_order():
    columns = np.asfortranarray(X.astype(">f4"))
    part = Part("there", None, None, {"there": Task("there", lambda: columns)})
    rows = in_turn(_in_one_task("partition", 0, part, CollectionColumns())).x
    assert rows.flags.c_contiguous
    assert rows.dtype == np.dtype("f4") and rows.dtype.isnative
    np.testing.assert_array_equal(rows, X)


def test_rows_of_one_index_in_two_orders_are_not_paired():
    frame = pd.DataFrame(X, columns=["a", "b"])
    turned = frame["b"][::-1]
    with pytest.raises(DataError, match="partition 3: x and y have the same index in different orders"):
        load_partition(3, frame, turned, None, CollectionColumns())
    with pytest.raises(DataError, match="x and weights have the same index in different orders"):
        load_partition(3, frame, frame["b"], turned, CollectionColumns())
    assert load_partition(3, frame, turned.reset_index(drop=True), None, CollectionColumns()).y[0] == X[-1, 1]


@contextmanager
def full(cluster):
    """Dask takes the memory of all workers for full."""
    managers = [worker.memory_manager for worker in cluster.workers.values()]
    fractions = [manager.memory_pause_fraction for manager in managers]
    try:
        for manager in managers:
            manager.memory_pause_fraction = 1e-9
        wait_until(lambda: all(worker.status is Status.paused for worker in cluster.workers.values()))
        yield
    finally:
        for manager, fraction in zip(managers, fractions, strict=True):
            manager.memory_pause_fraction = fraction
        wait_until(lambda: all(worker.status is Status.running for worker in cluster.workers.values()))


def test_classes_that_no_worker_can_count_are_an_error_with_the_remedy(somebody, cluster):
    _, y = collections(500, 50)
    said = "classes of y are not counted: Dask has paused all .* make partitions smaller"
    with dask.config.set({"akkordeon.timeouts.load": scaled(1)}), full(cluster), pytest.raises(DataError, match=said):
        count_labels(y, None, somebody.client)
    assert count_labels(y, None, somebody.client)[1].sum() == 500


def test_rows_that_no_worker_can_count_are_an_error_with_the_remedy(user, cluster, nothing_left):
    x, y = collections(500, 50)
    unknown = [one.map_blocks(np.asarray, dtype=one.dtype, chunks=(np.nan, *one.chunks[1:])) for one in (x, y)]
    said = "rows of x are not counted: Dask has paused all workers"
    with (
        user.deploy(counting_network(500)) as running,
        dask.config.set({"akkordeon.timeouts.load": scaled(1)}),
        full(cluster),
        pytest.raises(DataError, match=said),
    ):
        running.attach(Sentinel.train(data.from_dask(*unknown), batch_size=16))


def test_a_worker_that_stays_paused_ends_the_group_with_the_remedy(user, cluster, nothing_left):
    x, y = collections(500, 50)
    with user.deploy(counting_network(500)) as running:
        group = running.attach(Sentinel.train(data.from_dask(x, y), batch_size=16), epochs=10**6)
        wait_until(lambda: group.reports.seen >= 1)
        with (
            dask.config.set({"akkordeon.timeouts.load": scaled(1)}),
            full(cluster),
            pytest.raises(DataError, match=r"has paused .* its memory is full: make partitions smaller"),
        ):
            running.wait(timeout=PATIENCE)
