"""The loss and the scores of a sentinel, by name."""

import re
from typing import Any

import click

from akkordeon_dask import nn
from akkordeon_dask.cli._import_target import call_named, import_object
from akkordeon_dask.errors import SpecError

__all__ = ["LOSS_CLASSES", "SCORE_CLASSES", "loss_of", "losses", "scores", "scores_of"]

LOSS_CLASSES = {
    "softmax-cross-entropy": "SoftmaxCrossEntropy",
    "binary-cross-entropy": "BinaryCrossEntropyWithLogits",
    "hinge": "Hinge",
    "mean-squared-error": "MeanSquaredError",
    "mean-absolute-error": "MeanAbsoluteError",
    "huber": "Huber",
    "poisson": "PoissonNLL",
}
"""The classes of `nn` by the names that `--loss` takes."""
SCORE_CLASSES = {
    "accuracy": "Accuracy",
    "balanced-accuracy": "BalancedAccuracy",
    "binary-accuracy": "BinaryAccuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "roc-auc": "ROCAUC",
    "log-loss": "LogLoss",
    "r2": "R2",
    "rmse": "RMSE",
    "mse": "MSE",
    "mae": "MAE",
}
"""The classes of `nn` by the names that `--scores` takes."""
_TOP = re.compile("top([1-9][0-9]{0,18})")
_NONE = "none"

losses = ", ".join(LOSS_CLASSES)
"""The names that `--loss` takes."""
scores = f"{', '.join(SCORE_CLASSES)}, top5 (or another number), {_NONE}"
"""The names that `--scores` takes."""


def loss_of(ctx: click.Context, param: click.Parameter, value: str | None) -> nn.Loss | None:
    """A loss by its name, or one of the user's own: MODULE:LOSS or FILE.py:LOSS."""
    if value is None:
        return None
    found = getattr(nn, LOSS_CLASSES[value])() if value in LOSS_CLASSES else _own(value, "loss", losses)
    if not isinstance(found, nn.Loss):
        raise click.BadParameter(f"{value} is {found!r:.80}, no nn.Loss: it has to be one, or a class of one")
    return found


def scores_of(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[nn.Score, ...] | None:
    """Scores by their names, and the user's own, separated by commas; None: the option was not given."""
    if value is None:
        return None
    return () if value == _NONE else tuple(_score(word.strip()) for word in value.split(","))


def _score(word: str) -> nn.Score:
    if word in SCORE_CLASSES:
        found = getattr(nn, SCORE_CLASSES[word])()
    elif top := _TOP.fullmatch(word):
        found = nn.TopK(int(top[1]))
    else:
        found = _own(word, "score", scores)
    if not isinstance(found, nn.Score):
        raise click.BadParameter(f"{word} is {found!r:.80}, no nn.Score: it has to be one, or a class of one")
    return found


def _own(target: str, example: str, known: str) -> Any:
    if ":" not in target:
        raise click.BadParameter(f"{target!r} is none of {known}: for one of your own write FILE.py:{example}")
    try:
        found = import_object(target, example)
        return call_named(found, target) if isinstance(found, type) else found
    except SpecError as error:
        raise click.BadParameter(str(error)) from error
