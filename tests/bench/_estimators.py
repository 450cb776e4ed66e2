"""The estimators beside scikit-learn's perceptrons: the same folds, settings and first parameters."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from distributed import Client
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, f1_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from akkordeon_dask import optim
from akkordeon_dask.sklearn import AkkordeonClassifier, AkkordeonRegressor
from akkordeon_dask.sklearn._networks import perceptron
from akkordeon_dask.tree import paths
from tests.bench._real_sets import CLASSES, NUMBERS, load

__all__ = ["Study", "compare", "table"]

HIDDEN, EPOCHS, BATCH_SIZE, LEARNING_RATE, FOLDS = (50, 20), 40, 64, 1e-3, 5
ALLOWED = 0.01
"""The difference of accuracy, F1 or R2 that is allowed, beside its standard error."""


@dataclass
class Study:
    """One set: of each fold of each seed, the scores of both sides."""

    name: str
    samples: int
    features: int
    scores: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """By the name of a score, pairs of ours and scikit-learn's."""

    def difference(self, score: str) -> tuple[float, float]:
        """The mean of the paired differences, and its standard error."""
        each = np.subtract(*np.transpose(self.scores[score]))
        return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))

    def passes(self, score: str) -> bool:
        """Ours is not worse by more than is allowed."""
        mean, error = self.difference(score)
        return mean >= -ALLOWED - error


def compare(seeds: int, told: Callable[[list[Study]], None]) -> list[Study]:
    """All sets, in 5-fold cross-validation repeated with so many seeds; `told` has the sets after each seed."""
    sets = {name: load(name) for name in [*CLASSES, *NUMBERS]}
    studies = [Study(name, *x.shape) for name, (x, _) in sets.items()]
    options = {"processes": False, "n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with Client(**options):
        for seed in range(seeds):
            for study in studies:
                _add(study, *sets[study.name], seed)
            told(studies)
    return studies


def _add(study: Study, x: np.ndarray, y: np.ndarray, seed: int) -> None:
    """The five folds of one seed."""
    of_classes = study.name in CLASSES
    split = StratifiedKFold if of_classes else KFold
    for train, test in split(FOLDS, shuffle=True, random_state=seed).split(x, y):
        scale = StandardScaler().fit(x[train])
        samples = scale.transform(x[train]), scale.transform(x[test])
        for score, pair in (_classes if of_classes else _numbers)(*samples, y[train], y[test], seed):
            study.scores.setdefault(score, []).append(pair)


Pairs = Iterator[tuple[str, tuple[float, float]]]


def _classes(x: np.ndarray, x_test: np.ndarray, y: np.ndarray, y_test: np.ndarray, seed: int) -> Pairs:
    ours = AkkordeonClassifier(max_epochs=EPOCHS, **_settings(seed)).fit(x, y)
    theirs = _fitted(MLPClassifier, _start(x.shape[1], int(y.max()) + 1, seed), x, y)
    said = ours.predict(x_test), theirs.predict(x_test)
    yield "accuracy", (accuracy_score(y_test, said[0]), accuracy_score(y_test, said[1]))
    yield "F1", (f1_score(y_test, said[0], average="macro"), f1_score(y_test, said[1], average="macro"))


def _numbers(x: np.ndarray, x_test: np.ndarray, y: np.ndarray, y_test: np.ndarray, seed: int) -> Pairs:
    mean, deviation = y.mean(), y.std()
    ours = AkkordeonRegressor(max_epochs=EPOCHS, **_settings(seed)).fit(x, (y - mean) / deviation)
    theirs = _fitted(MLPRegressor, _start(x.shape[1], 1, seed), x, (y - mean) / deviation)
    said = (one.predict(x_test) * deviation + mean for one in (ours, theirs))
    first, second = (r2_score(y_test, one) for one in said)
    yield "R2", (first, second)


def _settings(seed: int) -> dict[str, Any]:
    return {"hidden_layer_sizes": HIDDEN, "batch_size": BATCH_SIZE, "lr": LEARNING_RATE, "random_state": seed}


def _start(features: int, outputs: int, seed: int) -> list[np.ndarray]:
    """The first parameters of our estimator with this seed: of each layer weights and biases."""
    network = perceptron(features, HIDDEN, outputs, lambda: optim.Adam(LEARNING_RATE), "float32").named()
    parameters = network.init(int(check_random_state(seed).randint(2**31)))
    found = [array for _, array in sorted(paths(parameters), key=lambda item: (item[0].split(".")[0], -item[1].ndim))]
    if outputs == 2:  # scikit-learn has one logit of two classes: the difference of our two
        found[-2:] = found[-2][:, 1:] - found[-2][:, :1], found[-1][1:] - found[-1][:1]
    return found


def _fitted(kind: type, start: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> Any:
    """A perceptron of scikit-learn that began with given parameters, and made all its epochs."""
    layers = iter(list(pairwise(start))[::2])

    class Started(kind):  # type: ignore[misc]
        def _init_coef(self, fan_in: int, fan_out: int, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
            w, b = next(layers)
            assert w.shape == (fan_in, fan_out)
            return w.astype(dtype), b.astype(dtype)

    model = Started(
        hidden_layer_sizes=HIDDEN,
        alpha=0.0,
        batch_size=BATCH_SIZE,
        learning_rate_init=LEARNING_RATE,
        max_iter=EPOCHS,
        tol=0.0,
        n_iter_no_change=EPOCHS + 1,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(x, y)


def table(studies: list[Study]) -> str:
    """Markdown, a row for each set; sets that fail are named below."""
    rows = [
        "| set | samples, features | score | ours | scikit-learn's | difference, with its standard error |",
        "|---|---|---|---|---|---|",
        *map(_row, studies),
    ]
    failed = [f"{study.name} ({score})" for study in studies for score in study.scores if not study.passes(score)]
    return "\n".join([*rows, "", f"Fails: {', '.join(failed) or 'none'}."])


def _row(study: Study) -> str:
    names = ", ".join(study.scores)
    means = [np.mean(pairs, axis=0) for pairs in study.scores.values()]
    ours, theirs = (", ".join(f"{mean[side]:.3f}" for mean in means) for side in (0, 1))
    apart = ", ".join("{:+.4f} ± {:.4f}".format(*study.difference(score)) for score in study.scores)
    return f"| {study.name} | {study.samples:,}, {study.features} | {names} | {ours} | {theirs} | {apart} |"
