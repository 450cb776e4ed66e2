"""An error of the library that advises arguments of Python names the options of the command behind it."""

import re

import numpy as np
import pytest
from click.testing import CliRunner

from akkordeon_dask import data, nn
from akkordeon_dask.cli import _advice
from akkordeon_dask.cli import akkordeon as group
from akkordeon_dask.cli._advice import with_options
from akkordeon_dask.errors import AkkordeonError

LABELS, VALUES = np.zeros(4, np.int64), np.zeros(4, np.float32)


def options_of(command):
    return [name for param in group.commands[command].params for name in param.opts]


def raised(action):
    """The message of the error that it raises."""
    with pytest.raises(AkkordeonError) as caught:
        action()
    return str(caught.value)


def table(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text)
    return path


ERRORS = [
    (
        lambda _: nn.SoftmaxCrossEntropy()(np.zeros((4, 1)), VALUES),
        "`loss=nn.MeanSquaredError()` is --loss mean-squared-error",
    ),
    (
        lambda _: nn.SoftmaxCrossEntropy()(np.zeros((4, 1)), LABELS + 1),
        "`loss=nn.BinaryCrossEntropyWithLogits()` is --loss binary-cross-entropy, "
        "`loss=nn.MeanSquaredError()` is --loss mean-squared-error",
    ),
    (
        lambda _: nn.MeanSquaredError()(np.zeros((4, 3)), LABELS),
        "`loss=nn.SoftmaxCrossEntropy()` is --loss softmax-cross-entropy",
    ),
    (
        lambda path: data.csv(table(path, "a,b,y\n1,,0\n2,3,1\n"), "y").open(),
        "`columns` is --columns NAME,NAME,...",
    ),
    (
        lambda path: data.csv(table(path, "a,y\n1,no\n2,yes\n"), "y").open(),
        "is --classes NAME,NAME,... for the column of --target, and --columns leaves another one out",
    ),
    (
        lambda _: next(iter(data.arrays(np.zeros((4, 2)), LABELS).open().batches(0, 9))),
        "`batch_size` is --batch-size N",
    ),
]


@pytest.mark.parametrize(("action", "advice"), ERRORS)
def test_behind_a_message_stand_the_options_for_the_arguments_that_it_names(action, advice, tmp_path):
    message = raised(lambda: action(tmp_path))
    shown = with_options(message, options_of("sentinel"))
    assert shown.startswith(f"{message} (on the command line: ")
    assert advice in shown.removeprefix(message)
    assert "\n" not in shown.removeprefix(message)


@pytest.mark.parametrize(
    ("command", "message", "advice"),
    [
        ("sentinel", "write scores=[nn.R2(), nn.RMSE()]", "`scores=[nn.R2(), nn.RMSE()]` is --scores r2,rmse"),
        ("sentinel", "write scores=[], or leave scores out", "`scores=[]` is --scores none"),
        ("sentinel", "or write loss=nn.Own() there", "`loss=nn.Own()` is --loss FILE.py:LOSS"),
        ("sentinel", "a worker that has it, workers=...", "`workers` is --worker WORKER"),
        ("sentinel", "report_every=5 and batches_per_pass=2 both end a pass",
         "`report_every` is --report-every N|TIME, `batches_per_pass` is --batches-per-pass N"),
        ("sentinel", "by on_nonfinite='rewind'", "`on_nonfinite='rewind'` is --on-nonfinite rewind"),
        ("sentinel", "fading=0.9: that is for Sentinel.train", "`Sentinel.train` is --mode train"),
        ("sentinel", "running.detach('train0') removes this one", "is what this command does as it ends"),
        ("sentinel", "detach it, or choose another name", "`choose another name` is --as NAME"),
        ("network", "Choose another name, join it by connect('x', client)",
         "`Choose another name` is --name NAME, `connect('x', client)` is `dask akkordeon sentinel x`"),
        ("network", "resume them by resume='/a b', or", "`resume='/a b'` is --resume '/a b'"),
        ("snapshot", "give deploy(snapshots=URL)", "is `dask akkordeon network ... --snapshots URL`"),
        ("network", "adopt('x', client), or stop('x', client)",
         "`adopt('x', client)` is `dask akkordeon network --adopt x`, `stop('x', client)` is `dask akkordeon stop x`"),
    ],
)  # fmt: skip
def test_an_argument_has_the_option_that_means_the_same(command, message, advice):
    assert advice in with_options(message, options_of(command)).removeprefix(message)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("network", "loss=nn.MeanSquaredError() for regression"),  # it has no --loss
        ("status", "batch_size=9 is larger than the 4 samples"),
        ("network", "take over from it by take_over=True, --take-over: then it writes no more"),  # it says so itself
        ("network", "then deploy(..., resume='x') or `dask akkordeon network ... --resume x` resumes it"),
        ("sentinel", "no network named 'x' on this cluster, there is none: deploy it first"),
    ],
)
def test_a_message_that_needs_no_option_stays_alone(command, message):
    assert with_options(message, options_of(command)) == message


def test_each_option_that_is_named_is_one_of_a_command():
    known = {option for command in group.commands for option in options_of(command)}
    assert {rule.option for rule in _advice._RULES} - {None} <= known
    words = " ".join(rule.words for rule in _advice._RULES if isinstance(rule.words, str))
    assert set(re.findall(r"--[a-z-]+", words)) <= known
    assert set(re.findall(r"dask akkordeon (\w+)", words)) <= set(group.commands)


def test_a_command_prints_the_option_behind_its_error():
    train = ["sentinel", "x", "--mode", "train", "--data", "mnist", "--scheduler", "tcp://127.0.0.1:1"]
    ended = CliRunner(env={"AKKORDEON_DEBUG": ""}).invoke(group, [*train, "--scores", "r2"])
    assert ended.exit_code == 1
    assert ended.output.startswith("Error: nn.R2() compares with one number for each output, ")
    assert ended.output.endswith("(on the command line: `scores=[nn.Accuracy()]` is --scores accuracy)\n")
