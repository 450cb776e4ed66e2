"""`--loss`, `--scores` and whole sentinels of the user's own."""

import dataclasses
import re

import click
import numpy as np
import pytest

from akkordeon_dask import Sentinel, data, nn
from akkordeon_dask.cli import akkordeon as akkordeon_group
from akkordeon_dask.cli.options._data_option import sentinel_of
from akkordeon_dask.cli.options._objective_options import loss_of, scores_of
from tests.support.dialogues import akkordeon, called

HOUSES = """
import numpy as np

from akkordeon_dask import Gate, Sentinel, data, nn, optim


class Half(nn.MeanSquaredError):
    pass


network = Gate(nn.Linear(4, 1), optim.SGD(0.05))
half = Half()
night = Sentinel.train(data.mnist_sample("train"), batch_size=100, epochs=3, name="night")
oracle = Sentinel("predict", data.mnist_sample("test"))


def houses():
    rng = np.random.default_rng(0)
    for _ in range(5):
        x = rng.normal(size=(64, 4)).astype("float32")
        yield x, x @ np.array([[1], [2], [3], [4]], "float32")
"""


@pytest.fixture(scope="module")
def houses(tmp_path_factory):
    path = tmp_path_factory.mktemp("houses") / "houses.py"
    path.write_text(HOUSES)
    return path


def test_a_regression_is_trained_and_tested_from_the_command_line(houses, at):
    options = ("--batch-size", 64, "--loss", "mean-squared-error", "--data", f"{houses}:houses", *at)
    with akkordeon("network", f"{houses}:network", "--name", "houses", *at) as owner:
        owner.line("join it")
        train = ("sentinel", "houses", "--mode", "train", "--epochs", 20, "--scores", "r2,rmse", *options)
        with akkordeon(*train) as guest:
            assert guest.end() == 0, guest.err
        rated = called("sentinel", "houses", "--mode", "test", *options)
        assert owner.interrupt() == 0
    *_, last, _ = guest.out
    scores = dict(word.split(": ") for word in last.partition("scores: (")[2].rstrip(")").split(", "))
    assert scores.keys() == {"r2", "rmse"} and float(scores["r2"]) > 0.99
    assert rated.exit_code == 0, rated.output


def test_the_options_of_a_users_sentinel_are_the_defaults(houses, digits, at):
    with akkordeon("sentinel", "digits", "--data", f"{houses}:night", "--epochs", 1, *at) as guest:
        assert guest.end() == 0, guest.err
    assert guest.out[-1] == "end         sentinel night has left after 1 passes"
    assert guest.out[0].startswith("sentinel    night on ")


def test_options_on_the_command_line_override_those_of_a_sentinel(houses):
    night = Sentinel.train(data.mnist_sample("train"), batch_size=100, epochs=3, name="night")
    assert sentinel_of(f"{houses}:night", None, {}) == night
    changed = sentinel_of(f"{houses}:night", "train", {"epochs": 7, "take": 50, "concurrency": 4})
    assert changed == Sentinel.train(
        data.mnist_sample("train", take=50), batch_size=100, epochs=7, name="night", concurrency=4
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--mode", "validate", "--data", "{houses}:night"), "which is a Sentinel.train, do not go together"),
        (("--data", "{houses}:oracle"), "oracle predicts: `dask akkordeon predict`"),
        (("--data", "mnist"), "give --mode train, validate or test"),
        (("--mode", "train", "--data", "mnist", "--loss", "margin"), "'margin' is none of softmax-cross-entropy, "),
        (("--mode", "train", "--data", "mnist", "--scores", "accuracy,f2"), "'f2' is none of accuracy, "),
        (("--mode", "train", "--data", "mnist", "--scores", "top0"), "'top0' is none of accuracy, "),
        (("--mode", "train", "--data", "mnist", "--loss", "{houses}:network"), "no nn.Loss"),
        (("--mode", "train", "--data", "mnist", "--scores", "{houses}:half"), "no nn.Score"),
        (("--mode", "train", "--data", "mnist", "--loss", "{houses}:none"), "has no 'none', it has "),
    ],
)
def test_options_that_contradict_one_another_are_refused(houses, args, message):
    words = [word.format(houses=houses) for word in args]
    done = called("sentinel", "digits", *words, "--scheduler", "tcp://127.0.0.1:1")
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


def test_names_stand_for_losses_and_scores(houses):
    assert loss_of(None, None, "mean-squared-error") == nn.MeanSquaredError()
    assert loss_of(None, None, "binary-cross-entropy") == nn.BinaryCrossEntropyWithLogits()
    assert type(loss_of(None, None, f"{houses}:Half")).__name__ == "Half"
    assert loss_of(None, None, None) is scores_of(None, None, None) is None
    assert scores_of(None, None, "accuracy,top3") == (nn.Accuracy(), nn.TopK(3))
    assert scores_of(None, None, "r2,rmse") == (nn.R2(), nn.RMSE())
    assert scores_of(None, None, "none") == ()


def test_files_of_tables_and_arrays_are_data():
    classes = ("setosa", "virginica")
    given = {"target": "species", "classes": classes, "take": 9, "epochs": 3}
    flowers = sentinel_of("/data/iris.csv.gz", "train", given)
    assert flowers == Sentinel.train(data.csv("/data/iris.csv.gz", "species", classes=classes, take=9), epochs=3)
    taxi = sentinel_of("s3://bucket/taxi.parquet", "test", {"target": "tip"})
    assert taxi == Sentinel.test(data.parquet("s3://bucket/taxi.parquet", "tip"))
    regression = {"target": "tip, fare", "columns": ("km", "hour"), "loss": nn.MeanSquaredError()}
    assert sentinel_of("/data/taxi.csv", "train", regression) == Sentinel.train(
        data.csv("/data/taxi.csv", ["tip", "fare"], columns=["km", "hour"]), loss=nn.MeanSquaredError()
    )
    assert sentinel_of("/data/a.npz", "test", {}) == Sentinel.test(data.npz("/data/a.npz"))
    assert sentinel_of("/data/a.npz", "test", {"target": "z"}) == Sentinel.test(data.npz("/data/a.npz", y="z"))


def test_numbers_in_an_npz_file_are_columns_for_a_loss_of_numbers(tmp_path):
    path, loss = str(tmp_path / "a.npz"), nn.MeanSquaredError()
    x, tip = np.zeros((4, 2), np.float32), np.arange(4, dtype=np.float32)
    np.savez(path, x=x, y=tip, fare=tip + 9, both=np.stack([tip, tip], 1))

    def targets(target, loss):
        given = {"loss": loss} | ({} if target is None else {"target": target})
        provider = dataclasses.replace(sentinel_of(path, "train", given).provider, shuffle=False)
        ((_, y),) = provider.open().batches(0, 4)
        return np.array(y)

    assert (targets(None, loss) == tip[:, None]).all() and targets(None, loss).shape == (4, 1)
    assert (targets("y, fare", loss) == np.stack([tip, tip + 9], 1)).all()
    assert targets("both", loss).shape == targets("y,fare", loss).shape == (4, 2)
    assert targets("y", nn.SoftmaxCrossEntropy()).shape == (4,)
    assert loss(np.zeros((4, 1), np.float32), targets(None, loss))[0] == 3.5  # the mean of 0, 1, 4 and 9


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ("trips.tsv", "write it as .csv with commas"),
        ("s3://bucket/trips.TSV.gz", "write it as .csv with commas"),
        ("trips.xlsx", "save the sheet as .csv, or as .parquet"),
        ("x.npy", "numpy.savez"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_what_to_do(source, remedy):
    with pytest.raises(click.BadParameter, match=re.escape(f"{source!r} is no .csv, .parquet or .npz file: ")) as told:
        sentinel_of(source, "train", {"target": "tip"})
    assert remedy in str(told.value)


@pytest.mark.parametrize(
    ("source", "given", "message"),
    [
        ("iris.csv", {}, "which column of iris.csv holds the labels"),
        ("a.npz", {"classes": ("a", "b")}, "--classes is for the columns of a table, a.npz holds arrays"),
        ("a.npz", {"columns": ("a", "b")}, "--columns is for the columns of a table, a.npz holds arrays"),
        ("mnist", {"columns": ("a", "b")}, "--columns is for files"),
        (
            *("a.csv", {"target": "y", "classes": ("no", "yes"), "loss": nn.BinaryCrossEntropyWithLogits()}),
            "--classes is for labels, and .* of yes and no 1 and 0",
        ),
        ("mnist", {"target": "y"}, "--target is for files, .csv, .parquet or .npz, and --data mnist is none"),
    ],
)
def test_options_that_do_not_fit_a_file_are_refused(source, given, message):
    with pytest.raises(click.UsageError, match=message):
        sentinel_of(source, "train", given)


def option(name):
    return next(one for one in akkordeon_group.commands["sentinel"].params if one.name == name)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("every", "epoch", "epoch"),
        ("every", "epoch of train0", "epoch of train0"),
        ("every", "2s", 2.0),
        ("report_every", "1000", 1000),
        ("report_every", "1.5min", 90.0),
        ("fading", "0.99", 0.99),
        ("class_weight", "0=1,1=2.5", {0: 1.0, 1: 2.5}),
        ("classes", "a, b", ("a", "b")),
        ("scores", "accuracy, top3", (nn.Accuracy(), nn.TopK(3))),
    ],
)
def test_options_of_a_sentinel_become_what_python_takes(name, text, value):
    context = click.Context(akkordeon_group.commands["sentinel"])
    assert option(name).process_value(context, text) == value


@pytest.mark.parametrize(
    ("name", "text"), [("class_weight", "5"), ("class_weight", "a=1"), ("fading", "1"), ("report_every", "x")]
)
def test_other_texts_are_refused(name, text):
    with pytest.raises(click.BadParameter):
        option(name).process_value(click.Context(akkordeon_group.commands["sentinel"]), text)


def test_a_validation_by_epochs_is_for_validation():
    assert sentinel_of("mnist", "validate", {"every": "epoch"}).rates_epochs
    for every in ("epoch", 5.0):
        with pytest.raises(click.UsageError, match="--every is for --mode validate, and this sentinel is to train"):
            sentinel_of("mnist", "train", {"every": every})


def test_the_time_between_validations_is_not_for_a_users_sentinel_that_trains(houses):
    with pytest.raises(click.UsageError, match="--every is for --mode validate, and this sentinel is to train"):
        sentinel_of(f"{houses}:night", None, {"every": 5.0})
