"""Fifteen real sets of samples that packages bring with them: nothing is downloaded."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn import datasets

__all__ = ["CLASSES", "NUMBERS", "load"]

Samples = tuple[np.ndarray, np.ndarray]


def load(name: str) -> Samples:
    """Samples, (samples, features) float32, and labels or numbers, (samples,)."""
    x, y = {**CLASSES, **NUMBERS}[name]()
    x = np.asarray(x, np.float32)
    return x, np.unique(y, return_inverse=True)[1] if name in CLASSES else np.asarray(y, np.float32)


def _of_sklearn(name: str) -> Callable[[], Samples]:
    return lambda: getattr(datasets, f"load_{name}")(return_X_y=True)


def _of_river(name: str) -> Callable[[], Samples]:
    def made() -> Samples:
        from river import datasets as streams

        rows = list(getattr(streams, name)())
        return pd.DataFrame([x for x, _ in rows]).to_numpy(np.float64), np.array([y for _, y in rows])

    return made


def _of_mlxtend(name: str) -> Callable[[], Samples]:
    def made() -> Samples:
        from mlxtend import data

        x, y = getattr(data, name)()
        return x[:, ~np.isnan(x).any(axis=0)], y  # a column of names is missing in all rows

    return made


def _of_statsmodels(name: str) -> pd.DataFrame:
    import statsmodels.api

    frame: pd.DataFrame = getattr(statsmodels.api.datasets, name).load_pandas().data
    return frame


def _penguins() -> Samples:
    from palmerpenguins import load_penguins

    frame = load_penguins().dropna()
    x = pd.get_dummies(frame.drop(columns=["species", "year"]), dtype=float)
    return x.to_numpy(), frame["species"].to_numpy(str)


def _affairs() -> Samples:
    frame = _of_statsmodels("fair")
    return frame.drop(columns="affairs").to_numpy(), (frame["affairs"] > 0).to_numpy()


def _election() -> Samples:
    frame = _of_statsmodels("anes96")
    return frame.drop(columns="vote").to_numpy(), frame["vote"].to_numpy()


def _schools() -> Samples:
    """The share of pupils above the national median."""
    frame = _of_statsmodels("star98")
    above, below = frame["NABOVE"], frame["NBELOW"]
    return frame.drop(columns=["NABOVE", "NBELOW"]).to_numpy(), (above / (above + below)).to_numpy()


CLASSES: dict[str, Callable[[], Samples]] = {
    "iris": _of_sklearn("iris"),
    "wine": _of_sklearn("wine"),
    "breast cancer": _of_sklearn("breast_cancer"),
    "digits": _of_sklearn("digits"),
    "penguins": _penguins,
    "bananas": _of_river("Bananas"),
    "phishing": _of_river("Phishing"),
    "image segments": _of_river("ImageSegments"),
    "affairs": _affairs,
    "election of 1996": _election,
}
NUMBERS: dict[str, Callable[[], Samples]] = {
    "diabetes": _of_sklearn("diabetes"),
    "miles per gallon": _of_mlxtend("autompg_data"),
    "Boston housing": _of_mlxtend("boston_housing_data"),
    "approval of Trump": _of_river("TrumpApproval"),
    "schools": _schools,
}
