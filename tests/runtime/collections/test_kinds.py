"""Collections of all kinds train a network: each row once an epoch."""

import warnings

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from distributed import Client, LocalCluster, futures_of, wait

from akkordeon_dask import Gate, Sentinel, data, nn, optim
from akkordeon_dask.errors import DataError, LostBatchesError, NonFiniteError, ShapeError, SpecError
from tests.support.dask_rows import collections, counting_network, numbered, updates
from tests.support.for_each import for_each
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, numbers

ROWS = 500
X, Y = numbers(ROWS)
FRAME = pd.DataFrame(X, columns=list("abcdef")).assign(t=Y)
INPUTS = list("abcdef")


def frame(changes=None, parts=4):
    return dd.from_pandas(FRAME if changes is None else changes, npartitions=parts)


def parquet(folder):
    folder.mkdir()
    for number in range(4):
        FRAME[125 * number : 125 * number + 125].to_parquet(folder / f"{number}.parquet")
    return dd.read_parquet(folder)


def parts(array):
    return [dask.delayed(array[start : start + 100]) for start in range(0, ROWS, 100)]


KINDS = {
    "arrays": lambda folder: data.from_dask(da.from_array(X, chunks=(150, -1)), da.from_array(Y, chunks=150)),
    "a frame": lambda folder: data.from_dask(frame(), target="t"),
    "a persisted frame": lambda folder: data.from_dask(frame().persist(), target="t"),
    "parquet": lambda folder: data.from_dask(parquet(folder), target="t"),
    "columns of parquet": lambda folder: data.from_dask((read := parquet(folder))[INPUTS] * 2, read["t"]),
    "a filtered frame": lambda folder: data.from_dask((kept := frame())[kept.a > kept.a.min()], target="t"),
    "what is made of persisted arrays": lambda folder: data.from_dask(
        da.from_array(X, chunks=(150, -1)).persist() - 1, da.from_array(Y, chunks=150)
    ),
    "arrays of a frame, of unknown length": lambda folder: data.from_dask(
        frame()[INPUTS].to_dask_array(), frame()["t"].to_dask_array()
    ),
    "delayed": lambda folder: data.from_dask(parts(X), parts(Y)),
    "bags": lambda folder: data.from_dask(
        db.from_sequence(X.tolist(), npartitions=3), db.from_sequence(Y.tolist(), npartitions=3)
    ),
}


@pytest.fixture
def running(user):
    """A network, and its user's client as that of Dask."""
    with user.client.as_current(), user.deploy(NETWORK) as network:
        yield network


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_is_trained_with_once_an_epoch(kind, running, tmp_path):
    if running._user.client.asynchronous:
        pytest.skip("these collections are made with a synchronous client")
    provider = KINDS[kind](tmp_path / "table")
    group = running.attach(Sentinel.train(provider, batch_size=32), epochs=2)
    history = running.wait(timeout=PATIENCE)
    rows = ROWS - (kind == "a filtered frame")
    assert [(one.sentinel, one.epoch, one.samples, one.lost) for one in history] == [
        (group.name, 1, rows, 0),
        (group.name, 2, rows, 0),
    ]
    assert repr(provider).startswith("data.from_dask(<")


def test_rows_are_counted_by_the_gate(user, nothing_left):
    x, y = collections(ROWS, 70)
    with user.deploy(counting_network(ROWS)) as running:
        group = running.attach(Sentinel.train(data.from_dask(x, y), batch_size=32, concurrency=3), epochs=3)
        running.wait(timeout=PATIENCE)
        assert set(updates(running)) == {3.0}
        assert sorted(one.worker for one in group.members) == sorted(user_workers(user))
        assert sum(one.reports[-1].samples for one in group.members) == ROWS
        statistics = running.statistics()
        assert sum(statistics[one.name].credits for one in group.members) == 3
        with pytest.raises(SpecError, match=r"no sentinel 'train0\.1'"):
            running.detach("train0.1")
        running.detach(group)
        assert (group.state, group.members) == ("left", ())
    nothing_left()


def user_workers(user):
    return (
        user.call(user.client.scheduler.identity, n_workers=-1)["workers"]
        if user.client.asynchronous
        else list(user.client.sync(user.client.scheduler.identity, n_workers=-1)["workers"])
    )


def test_a_group_waits_pauses_and_goes_on_as_a_sentinel_does(user):
    x, y = collections(ROWS, 70)
    with user.deploy(counting_network(ROWS)) as running:
        group = running.attach(Sentinel.train(data.from_dask(x, y, seed=3), batch_size=16), epochs=10**6)
        running.wait(epochs=2, timeout=PATIENCE)
        made = group.reports.seen
        assert group.state == "resting"
        running.pause()
        assert group.state == "paused"
        running.resume()
        running.wait(epochs=1, timeout=PATIENCE)
        assert group.reports.seen == made + 1
        assert set(updates(running)) == {made + 1.0}


@for_each("targets", [["t"], ["t", "b"]])
def test_a_list_of_targets_is_a_column_for_each_output(user, targets):
    inputs = len(frame().columns) - len(targets)
    with user.deploy(Gate(nn.Linear(inputs, len(targets)), optim.SGD(1e-6))) as running:
        sentinel = Sentinel.train(data.from_dask(frame(), target=targets), batch_size=16, loss=nn.MeanSquaredError())
        running.attach(sentinel, epochs=1)
        assert running.wait(timeout=PATIENCE)[0].samples == ROWS


def test_chunks_of_columns_are_joined_with_a_word(user):
    x, y = collections(ROWS, 100)
    with user.deploy(counting_network(ROWS)) as running:
        with pytest.warns(UserWarning, match=r"x has 5 x 3 chunks, .* x.rechunk\(\{1: -1\}\)"):
            running.attach(Sentinel.train(data.from_dask(x.rechunk((100, 3)), y), batch_size=16), epochs=1)
        running.wait(timeout=PATIENCE)
        assert set(updates(running)) == {1.0}


ARRAY = da.from_array(X, chunks=(150, -1))
LABELS = da.from_array(Y, chunks=150)
WRONG = {
    "other partitions": (ARRAY, LABELS.rechunk(250), None, "x has 4 partitions, y has 2"),
    "other chunks": (
        ARRAY,
        LABELS.rechunk(([50] + 3 * [150],)),
        None,
        "partition 0 of x has 150 rows, that of y 50",
    ),
    "other lengths": (ARRAY, LABELS[:400], None, "x has 4 partitions, y has 3"),
    "text": (frame(FRAME.assign(s="x")), None, "t", r"column 's' .*not numbers: encode it .*frame\['s'\]"),
    "objects": (frame(FRAME.assign(s=pd.Series([1, "a"] * 250, dtype=object))), None, "t", "column 's' .*encode it"),
    "categories": (
        frame(FRAME.assign(c=pd.Categorical(["u", "v"] * 250))),
        None,
        "t",
        r"column 'c' holds category.*\.cat\.codes",
    ),
    "times": (
        frame(FRAME.assign(d=pd.Timestamp("2026-01-01"))),
        None,
        "t",
        r"column 'd' holds datetime64.*astype\('int64'\)",
    ),
    "sparse": (
        frame(FRAME.assign(p=pd.arrays.SparseArray(Y))),
        None,
        "t",
        r"column 'p' holds Sparse.*sparse\.to_dense",
    ),
    "complex": (ARRAY.astype(complex), LABELS, None, r"x holds complex128, .* x\.real and x\.imag"),
    "no rows": (ARRAY[:0], LABELS[:0], None, "has no rows: look at what x was made of"),
    "no labels": (ARRAY, None, None, "has no labels to train with"),
}


@pytest.mark.parametrize("case", WRONG)
def test_collections_that_do_not_fit_are_refused_at_once(case, user, nothing_left):
    x, y, target, text = WRONG[case]
    with user.deploy(NETWORK) as running:
        with pytest.raises(DataError, match=text):
            running.attach(Sentinel.train(data.from_dask(x, y, target=target)))
        assert not running.sentinels
    nothing_left()


@for_each("make", [lambda x: x, lambda x: x[:450] - 1])
def test_values_on_another_cluster_are_refused_with_both_schedulers(make, user, cluster, nothing_left):
    options = {"n_workers": 1, "processes": False, "dashboard_address": ":0"}
    with (
        user.deploy(NETWORK) as running,
        LocalCluster(**options) as other,
        Client(other, set_as_default=False) as elsewhere,
    ):
        x = make(elsewhere.persist(ARRAY))
        with pytest.raises(DataError, match="x is held by another cluster") as found:
            running.attach(Sentinel.train(data.from_dask(x, LABELS[: len(x)])))
        text = str(found.value)
        assert f"scheduler {other.scheduler.id}, and the network is on scheduler {cluster.scheduler.id}: " in text
        assert "persist or scatter x by the client of the network" in text
    nothing_left()


def test_values_that_their_client_has_cancelled_are_refused_where_they_are_needed(user, somebody):
    x = somebody.client.persist(ARRAY)
    wait(x)
    futures_of(x)[-1].cancel()
    with user.deploy(NETWORK) as running:
        with pytest.raises(DataError, match=r"x needs \('array-.*cancelled or lost: persist or scatter x again"):
            running.attach(Sentinel.train(data.from_dask(x, LABELS)))
        running.attach(Sentinel.train(data.from_dask(x[:450], LABELS[:450])), epochs=1)
        assert [(one.samples, one.lost) for one in running.wait(timeout=PATIENCE)] == [(450, 0)]


def test_an_epoch_that_has_lost_all_partitions_ends_the_group(user, somebody):
    x = somebody.client.persist(ARRAY)
    wait(x)
    with user.deploy(NETWORK) as running:
        running.attach(Sentinel.train(data.from_dask(x, LABELS)))
        running.wait(epochs=1, timeout=PATIENCE)
        somebody.client.cancel(futures_of(x))
        with pytest.raises(LostBatchesError, match=r"none of the 500 rows .* persist or scatter them anew"):
            running.wait(epochs=1, timeout=PATIENCE)
        assert running.history[-1].samples == ROWS


def test_what_the_network_does_not_take_is_refused_at_once(user):
    with user.deploy(NETWORK) as running, pytest.raises(ShapeError, match="takes 6 features, not 3"):
        running.attach(Sentinel.train(data.from_dask(frame()[[*"abct"]], target="t")))


def missing():
    changed = FRAME.copy()
    changed.loc[3, "b"] = np.nan
    return frame(changed), None, "t", r"partition 0: column 'b' lacks 1 of 125 values: fill them, frame\['b'\]"


def columns_in_another_order():
    orders = [[*"abcdeft"], [*"tfedcba"]]
    mixed = dd.from_map(FRAME.__getitem__, orders, meta=FRAME[:0], enforce_metadata=False)
    return mixed, None, "t", r"partition 1 has the columns \['t', 'f', .* and Dask expects \['a', 'b'"


LATE = {
    "columns in another order": columns_in_another_order,
    "not finite": lambda: (
        da.where(ARRAY > 3.0, np.nan, ARRAY),
        LABELS,
        None,
        r"numbers in x are not finite, sample \d+ of the batch has nan as feature \d: fill such values",
    ),
    "missing labels": lambda: (
        ARRAY,
        da.where(LABELS == 1, np.nan, LABELS),
        None,
        r"\d+ of 16 labels are missing: drop the rows",
    ),
    "missing values": missing,
    "masked": lambda: (
        da.ma.masked_greater(ARRAY, 2.0),
        LABELS,
        None,
        r"x, partition \d: [\d,]+ of [39]00 values are masked",
    ),
    "an error": lambda: (
        mapped(fails),
        LABELS,
        None,
        r"partition \d cannot be computed: Zero",
    ),
    "random lengths": lambda: (
        mapped(shortened),
        LABELS,
        None,
        r"partition \d: x has (149|49) rows, y has (150|50)",
    ),
}


def mapped(function):
    return ARRAY.map_blocks(function, dtype=X.dtype)


def fails(block):
    raise ZeroDivisionError


def shortened(block):
    return block[1:]


@pytest.mark.parametrize("case", LATE)
def test_partitions_that_do_not_fit_end_the_group_with_their_number(case, user, nothing_left):
    x, y, target, text = LATE[case]()
    with user.deploy(NETWORK) as running:
        running.attach(Sentinel.train(data.from_dask(x, y, target=target), batch_size=16, concurrency=1), epochs=1)
        with pytest.raises((DataError, NonFiniteError), match=text):
            running.wait(timeout=PATIENCE)
    nothing_left()


ONES = da.ones(ROWS, chunks=150)


def train_with(running, weights):
    running.attach(Sentinel.train(data.from_dask(ARRAY, LABELS, weights), batch_size=16), epochs=1)
    running.wait(timeout=PATIENCE)


NO_WEIGHTS = {
    "other chunks": (ONES.rechunk(250), "x has 4 partitions, weights has 2"),
    "text": (ONES.astype(str), "weights holds <U"),
    "negative": (ONES - 2, r"weights, partition \d: -1\.0 of sample 0 is no weight"),
    "missing": (dd.from_dask_array(da.where(ONES.cumsum(axis=0) == 3, np.nan, ONES)), "partition 0: its column lacks"),
    "two axes": (ONES[:, None], r"weights, partition \d have shape \(\d+, 1\)"),
    "none that counts": (ONES * 0, "all weights are 0, so that no row counts"),
}  # fmt: skip


@for_each("kind", NO_WEIGHTS)
def test_weights_that_do_not_fit_are_refused_with_their_partition(kind, running):
    weights, text = NO_WEIGHTS[kind]
    before = dict(running.sentinels)
    with pytest.raises(DataError, match=text):
        train_with(running, weights)
    for name in running.sentinels.keys() - before.keys():
        running.detach(name)


def test_sparse_partitions_are_refused_before_their_rows_are_counted(running):
    sparse = [dask.delayed(scipy.sparse.csr_matrix)(part) for part in parts(X)]
    with pytest.raises(DataError, match=r"x, partition \d is of type csr_matrix, .*: add \.toarray\(\)"):
        running.attach(Sentinel.train(data.from_dask(sparse, parts(Y))))


@pytest.mark.parametrize("class_weight", [None, {1: 3.0}], ids=["plain", "by class"])
def test_the_loss_of_a_group_is_weighted_over_all_its_members(user, class_weight):
    """The network hardly moves, so that all rows are rated by the same weights."""
    weights = np.random.default_rng(0).random(ROWS)
    still = Gate(nn.Linear(6, 3), optim.SGD(1e-9))
    options = {"batch_size": 16, "class_weight": class_weight, "scores": [nn.F1(), nn.LogLoss()]}
    with user.deploy(still) as running:
        expected = running.evaluate(Sentinel.test(data.arrays(X, Y, weights), **options))
        lazy = data.from_dask(ARRAY, LABELS, da.from_array(weights, chunks=150))
        running.attach(Sentinel.train(lazy, **options), epochs=1)
        (found,) = running.wait(timeout=PATIENCE)[-1:]
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    assert found.scores == {name: pytest.approx(value, rel=1e-5) for name, value in expected.scores.items()}
    assert repr(lazy).endswith("weights=<Array of 4 partitions>)")


@pytest.mark.parametrize("persisted", [False, True], ids=["lazy", "persisted"])
def test_a_collection_rates_a_network_as_its_rows_do(running, persisted):
    if persisted and running._user.client.asynchronous:
        pytest.skip("collections are persisted with a synchronous client")
    weights = np.random.default_rng(0).random(ROWS)
    options = {"batch_size": 64, "concurrency": 2, "scores": [nn.Accuracy(), nn.F1(), nn.LogLoss()]}
    expected = running.evaluate(Sentinel.test(data.arrays(X, Y, weights), **options))
    lazy = [ARRAY, LABELS, da.from_array(weights, chunks=150)]
    found = running.evaluate(Sentinel.test(data.from_dask(*(dask.persist(*lazy) if persisted else lazy)), **options))
    assert (found.samples, found.lost, found.mode) == (ROWS, 0, "test")
    assert found.loss == pytest.approx(expected.loss, rel=1e-6)
    assert found.scores == {name: pytest.approx(value, rel=1e-9) for name, value in expected.scores.items()}
    assert running.sentinels == {}


def test_epochs_of_a_group_are_rated_by_a_collection(user, nothing_left):
    x, y = collections(ROWS, 70)
    with user.deploy(counting_network(ROWS)) as running:
        group = running.attach(Sentinel.train(data.from_dask(x, y), batch_size=32), epochs=2)
        rating = running.attach(Sentinel.validate(data.from_dask(x, y), every="epoch"))
        history = running.wait(timeout=PATIENCE)
        assert [(one.mode, one.samples) for one in history] == [("train", ROWS), ("validate", ROWS)] * 2
        assert (rating.state, group.state) == ("resting", "resting")
    nothing_left()


def test_collections_that_rate_are_refused_as_those_that_train(running):
    with pytest.raises(DataError, match="x has 4 partitions, y has 2"):
        running.evaluate(Sentinel.test(data.from_dask(ARRAY, LABELS.rechunk(250))))
    with pytest.raises(DataError, match=r"compares with targets, data\.from_dask\(.* has none"):
        running.attach(Sentinel.validate(data.from_dask(ARRAY)))
    with pytest.raises(DataError, match="column 'b' lacks 1 of 125 values"):
        running.evaluate(Sentinel.test(data.from_dask(missing()[0], target="t")))
    assert running.sentinels == {}


def test_what_a_group_cannot_do_is_said_at_once(user):
    x, y = collections(ROWS, 100)
    with user.deploy(counting_network(ROWS)) as running:
        for wrong, text in (
            (Sentinel.train(data.from_dask(x, y), workers="0"), "workers='0'"),
            (Sentinel.train(data.from_dask(x, y), batches_per_pass=3), "batches_per_pass=3"),
            (Sentinel.train(data.from_dask(x, y), on_nonfinite="rewind"), "on_nonfinite='rewind'"),
        ):
            with pytest.raises(SpecError, match=text):
                running.attach(wrong)
        assert not running.sentinels


def test_descriptions_that_make_no_sense_are_refused_where_they_are_written():
    for wrong, text in (
        (lambda: data.from_dask(X, Y), "x is no collection of Dask but a ndarray: data.arrays"),
        (lambda: data.from_dask(frame(), target="species"), "x has no column 'species' for the target, it has a, b"),
        (lambda: data.from_dask(frame(), target=["t", "species"]), "x has no column 'species' for the target"),
        (lambda: data.from_dask(frame(), target=[]), r"target=\[\] names no column"),
        (lambda: data.from_dask(frame(), frame()["t"], target="t"), "both a y and target='t'"),
        (lambda: data.from_dask(ARRAY, target="t"), "names a column of a frame, x is <Array of 4 partitions>"),
        (lambda: data.from_dask(frame()[["t"]], target="t"), "which is the target: give it inputs"),
        (lambda: data.from_dask(frame()[["t", "a"]], target=["t", "a"]), "which is the target: give it inputs"),
        (lambda: data.from_dask([]), "x is an empty list"),
        (lambda: data.from_dask(ARRAY, LABELS, shuffle_buffer=-1), "shuffle_buffer"),
        (lambda: data.from_dask(ARRAY, LABELS).open(), "attach it to a running network"),
    ):
        with warnings.catch_warnings(), pytest.raises(DataError, match=text):
            wrong()


def test_each_epoch_of_a_group_is_rated_before_the_next_one_begins(user):
    x, y = collections(ROWS, 70)
    rating = data.arrays(*numbered(ROWS), shuffle=False)
    with user.deploy(counting_network(ROWS)) as running:
        running.attach(Sentinel.train(data.from_dask(x, y), batch_size=32), epochs=3)
        running.attach(Sentinel.validate(rating, every="epoch"))
        history = running.wait(timeout=PATIENCE)
    assert [one.mode for one in history] == ["train", "validate"] * 3


def test_predictions_of_a_collection_are_lazy_and_equal_those_of_its_rows(running):
    expected = running.predict(X)
    for collection in (ARRAY, ARRAY.persist() if not running._user.client.asynchronous else ARRAY, frame()[INPUTS]):
        lazy = running.predict(collection)
        assert isinstance(lazy, da.Array)
        assert (lazy.shape[1], lazy.dtype) == (3, expected.dtype)
        assert lazy.npartitions == 4
        found = running._user.call(lambda lazy=lazy: running.plain.client.compute(lazy).result())
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.array_equal(running.predict(FRAME[INPUTS]), expected)
    with pytest.raises(ShapeError, match="takes 6 features, not 4"):
        running.predict(frame()[[*"abct"]])
    with pytest.raises(DataError, match="column 's' holds"):
        running.predict(frame(FRAME.assign(s="x")))


def test_what_may_hold_a_collection_is_one_where_it_does():
    class InMemory:
        def __dask_graph__(self):
            return None

    class Lazy(InMemory):
        def __dask_graph__(self):
            return {}

    assert not data.is_collection(InMemory()) and data.is_collection(Lazy())
    with pytest.raises(DataError, match=r"x is no collection of Dask but a InMemory: data\.arrays"):
        data.from_dask(InMemory())
    with pytest.raises(DataError, match=r"x is a Lazy that holds a collection of Dask: give its \.data"):
        data.from_dask(Lazy())
