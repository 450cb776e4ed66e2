"""Columns become features by their position: all data of a network that have names of columns have the same ones."""

import dataclasses

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

from akkordeon_dask import Gate, Network, Sentinel, data, nn
from akkordeon_dask.errors import DataError, NameConflictError
from akkordeon_dask.runtime.collections._rows import load_partition
from akkordeon_dask.runtime.handles._sentinel_names import known_columns
from tests.support.for_each import for_each
from tests.support.patience import PATIENCE
from tests.support.small_networks import SGD

X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
FRAME, LABELS = pd.DataFrame(X, columns=["age", "height", "weight"]), (X[:, 0] > 0).astype(int)
TURNED, OTHER = FRAME[["weight", "height", "age"]], FRAME.rename(columns={"age": "years"})
NETWORK = Network([Gate(nn.Linear(3, 2), SGD)])


def table(frame, folder):
    frame.assign(label=LABELS).to_csv(folder / "table.csv", index=False)
    return data.csv(folder / "table.csv", "label")


def collection(frame):
    return dd.from_pandas(frame.assign(label=LABELS), npartitions=2)


PROVIDERS = {
    "arrays": lambda frame, folder: data.arrays(frame, LABELS),
    "csv": table,
    "stream": lambda frame, folder: data.stream([(frame, LABELS)]),
    "dask": lambda frame, folder: data.from_dask(collection(frame), target="label"),
}
_REFUSED = r"column 1 of x is 'weight', and it was 'age' in other data of this network: columns count by"


def trained(running, frame=FRAME):
    running.attach(Sentinel.train(data.arrays(frame, LABELS), batch_size=20, epochs=1))
    running.wait(timeout=PATIENCE)
    return running


@for_each("kind", PROVIDERS)
def test_data_with_the_columns_in_another_order_are_refused(user, kind, tmp_path):
    make = PROVIDERS[kind]
    with user.deploy(NETWORK) as running:
        trained(running)
        with pytest.raises(DataError, match=f"sentinel 'test0': {_REFUSED}"):
            running.evaluate(Sentinel.test(make(TURNED, tmp_path), batch_size=20))
        assert running.evaluate(Sentinel.test(make(FRAME, tmp_path), batch_size=20)).samples == 60


@for_each("kind", PROVIDERS)
def test_whatever_data_come_first_name_the_columns(user, kind, tmp_path):
    with user.deploy(NETWORK) as running:
        running.attach(Sentinel.train(PROVIDERS[kind](FRAME, tmp_path), batch_size=20, epochs=1, name="first"))
        running.wait(timeout=PATIENCE)
        before = running.parameters()["g0"]
        with pytest.raises(DataError, match=_REFUSED):
            running.attach(Sentinel.train(data.arrays(TURNED, LABELS), batch_size=20))
        np.testing.assert_equal(running.parameters()["g0"], before)
        assert set(running.sentinels) == {"first"}


def test_a_group_is_refused_before_it_trains(user):
    with user.deploy(NETWORK) as running:
        before = trained(running).parameters()["g0"]
        with pytest.raises(DataError, match=_REFUSED):
            running.attach(Sentinel.train(data.from_dask(collection(TURNED), target="label"), batch_size=20))
        np.testing.assert_equal(running.parameters()["g0"], before)


def test_predictions_are_of_the_columns_that_it_was_trained_with(user):
    with user.deploy(NETWORK) as running:
        outputs = trained(running).predict(FRAME)
        for refused in (TURNED, dd.from_pandas(TURNED, npartitions=2)):
            with pytest.raises(DataError, match=f"x: {_REFUSED}"):
                running.predict(refused)
        with pytest.raises(DataError, match=r"'years', and it was 'age' .* where only the names differ, rename them"):
            running.predict(OTHER)
        for named_or_not in (X, X.tolist(), pd.DataFrame(X), dd.from_pandas(FRAME, npartitions=2)):
            np.testing.assert_array_equal(np.asarray(running.predict(named_or_not)), outputs)


def test_what_is_only_rated_names_the_columns_for_as_long_as_its_sentinel_is_there(user):
    with user.deploy(NETWORK) as running:
        running.evaluate(Sentinel.test(data.arrays(TURNED, LABELS), batch_size=20))
        rates = running.attach(Sentinel.validate(data.arrays(TURNED, LABELS), batch_size=20))
        with pytest.raises(DataError, match="sentinel 'train0': column 1 of x is 'age', and it was 'weight'"):
            trained(running)
        running.detach(rates)
        trained(running)


def test_a_new_scheduler_learns_the_columns_again(user, cluster):
    with user.deploy(NETWORK) as running:
        trained(running)
        running.attach(Sentinel.validate(data.arrays(FRAME, LABELS), batch_size=20))
        cluster.scheduler.extensions.pop("akkordeon-sentinels")
        with pytest.raises(DataError, match=_REFUSED):
            running.predict(dd.from_pandas(TURNED, npartitions=2))
        with pytest.raises(DataError, match=_REFUSED):
            running.evaluate(Sentinel.test(data.arrays(TURNED, LABELS), batch_size=20))
        rates = Sentinel.validate(data.arrays(FRAME, LABELS), batch_size=20)
        assert running.attach(rates).name == "validate1"  # though the new scheduler knows of no other yet
        with pytest.raises(NameConflictError, match="a sentinel 'validate0' already, attached by this client"):
            running.attach(dataclasses.replace(rates, name="validate0"))
        assert known_columns(running.plain._session.entry.run, cluster.scheduler).x == ("age", "height", "weight")


def test_names_on_several_levels_have_an_order_too():
    levels = pd.DataFrame(X, columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y"), ("b", "x")]))
    names = data.ColumnNames.of(levels)
    assert names.fits(data.ColumnNames.of(levels + 1)) and not names.fits(data.ColumnNames.of(levels.iloc[:, ::-1]))


@for_each("columns", [range(3), ["0", "1", "2"], [1, "a", "b"], [("a", 1), ("a", 2), ("b", 1)]])
def test_numbers_of_columns_are_no_names(columns):
    assert data.ColumnNames.of(pd.DataFrame(X, columns=list(columns))) == data.ColumnNames()


def test_predictions_name_no_columns(user):
    with user.deploy(NETWORK) as running:
        running.predict(TURNED)
        assert trained(running).predict(FRAME).shape == (60, 2)


def test_other_clients_give_the_same_columns(user, somebody):
    with user.deploy(NETWORK, name="named") as running, somebody.connect("named") as joined:
        trained(joined)
        with pytest.raises(DataError, match=_REFUSED):
            running.predict(TURNED)


def test_several_targets_have_one_order_and_a_single_one_any_name(user):
    both, how = FRAME[["age", "weight"]], {"batch_size": 20, "loss": nn.MeanSquaredError()}
    with user.deploy(NETWORK) as running:
        running.attach(Sentinel.train(data.arrays(X, both), epochs=1, **how))
        running.wait(timeout=PATIENCE)
        with pytest.raises(DataError, match="column 1 of y is 'weight', and it was 'age'"):
            running.evaluate(Sentinel.test(data.arrays(X, both[["weight", "age"]]), **how))
    assert data.ColumnNames.of(X, FRAME[["age"]]) == data.ColumnNames()


def test_what_has_ended_is_forgotten(user, cluster):
    def known(run):
        return known_columns(run, cluster.scheduler)

    with user.deploy(NETWORK, name="before") as running:
        run = trained(running).plain._session.entry.run
        assert known(run).x == ("age", "height", "weight")
    with user.deploy(NETWORK, name="after") as running:
        trained(running, TURNED)
    assert known(run) == data.ColumnNames()


def test_a_partition_whose_targets_have_another_order_is_refused():
    columns = data.CollectionColumns(y=("age", "weight"))
    assert load_partition(0, X, FRAME[["age", "weight"]], None, columns).y.shape == (60, 2)
    with pytest.raises(DataError, match=r"y, partition 0 has the columns \['weight', 'age'\], and Dask expects"):
        load_partition(0, X, FRAME[["weight", "age"]], None, columns)
